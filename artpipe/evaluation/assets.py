"""How good the classifier and its embeddings are, on works they never saw."""

import json
from typing import Any

import dagster as dg

from artpipe.io import content_version, save_picture
from artpipe.lake import DataLake, write_whole
from artpipe.lineage import Lineage
from artpipe.resources import progress_of
from artpipe.reuse import REUSED, RunConfig, reused
from artpipe.settings import Settings
from artpipe.tables import DataFrame

GROUP = "evaluation"


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="1", deps=["served_model"], owners=["team:artpipe"])
def evaluation_report(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    splits: DataFrame,
    training_set: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """Accuracy, calibration, confusions and retrieval on validation, test and unseen artists, each apart."""
    import polars as pl

    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.catalog.schema import TASKS
    from artpipe.embedding.inference import InferenceCache
    from artpipe.evaluation.plots import confusion_picture, reliability_picture
    from artpipe.evaluation.report import EVALUATED_SPLITS, evaluate, rows_to_measure
    from artpipe.images.store import ImageStore
    from artpipe.training.served import served_card

    served_model = served_card(lake)
    rows = rows_to_measure(splits, training_set)
    cache = InferenceCache(lake, served_model, settings.device)
    found = cache.infer(rows, ImageStore(lake), progress_of(context))
    report = evaluate(
        rows,
        found.probabilities,
        served_model.classes,
        found.vectors,
        model_id=served_model.model_id,
        seed=settings.seed,
        temperatures=served_model.temperatures,
        abstain_below=settings.abstain_below,
    )
    write_whole(lake.report("evaluation/report.json"), json.dumps(report.to_dict(), indent=1).encode())
    write_whole(lake.report("evaluation/report.md"), report.to_markdown().encode())
    pictures = {
        f"confusion_{split}_{task}": save_picture(
            lake, f"evaluation/confusion_{split}_{task}.png", confusion_picture(report.scores(task, split))
        )
        for split in EVALUATED_SPLITS
        for task in TASKS
    }
    pictures |= {
        f"reliability_{split}": save_picture(
            lake,
            f"evaluation/reliability_{split}.png",
            reliability_picture([report.scores(task, split) for task in TASKS]),
        )
        for split in EVALUATED_SPLITS
    }
    figures = {
        f"{split}_{task}_at_1": value
        for split in EVALUATED_SPLITS
        for task in TASKS
        if (value := report.scores(task, split).at_1) is not None
    }
    version = content_version(pl.DataFrame({"report": [json.dumps(report.to_dict())]}))
    lineage.complete("evaluation_report", version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            REUSED: False,
            "model_id": served_model.model_id,
            "report": dg.MetadataValue.md(report.to_markdown()),
            **figures,
            "images_embedded": found.computed,
            **pictures,
        },
    )

"""How good the classifier and its embeddings are, on works they never saw."""

import json
from datetime import UTC, datetime
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


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="2", deps=["served_model"], owners=["team:artpipe"])
def evaluation_report(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artworks: DataFrame,
    splits: DataFrame,
    training_set: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """Accuracy, calibration, retrieval, mistakes and leaks on validation, test and unseen artists, each apart."""
    import polars as pl

    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.catalog.schema import TASKS
    from artpipe.evaluation.leaks import PAIRS, same_work_csv
    from artpipe.evaluation.measure import measure_model
    from artpipe.evaluation.pictures import evaluation_pictures
    from artpipe.evaluation.report import EVALUATED_SPLITS
    from artpipe.images.store import ImageStore
    from artpipe.training.served import served_card

    served_model, images = served_card(lake), ImageStore(lake)
    measured = measure_model(
        lake,
        served_model,
        splits,
        training_set,
        artworks,
        images,
        device=settings.device,
        seed=settings.seed,
        progress=progress_of(context),
    )
    report = measured.report
    pairs = report.leaks.confirmed if report.leaks else pl.DataFrame(schema=PAIRS)
    said_at = datetime.now(UTC).isoformat(timespec="seconds")
    suggestions = same_work_csv(pairs, f"model {served_model.model_id}", said_at)
    write_whole(lake.report("evaluation/report.json"), json.dumps(report.to_dict(), indent=1).encode())
    write_whole(lake.report("evaluation/report.md"), report.to_markdown().encode())
    write_whole(lake.report("evaluation/same_work_suggestions.csv"), suggestions)
    pictures = {
        name: save_picture(lake, f"evaluation/{name}.png", picture)
        for name, picture in evaluation_pictures(measured, artworks, images)
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
            "images_embedded": measured.images_embedded,
            "photographs_embedded": measured.photographs_embedded,
            "leaks": pairs.height,
            **pictures,
        },
    )

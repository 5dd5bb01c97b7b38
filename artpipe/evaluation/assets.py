"""How good the classifier and its embeddings are, on works they never saw."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import DataLake, write_whole
from artpipe.lake.spreadsheet import spreadsheet_csv
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import recorded, save_picture
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import progress_of
from artpipe.orchestration.reuse import REUSED, RunConfig, reused
from artpipe.settings import Settings

GROUP = "evaluation"


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="3", deps=["served_model"], owners=["team:artpipe"])
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
    from artpipe.evaluation.leaks import PAIRS, same_work_csv
    from artpipe.evaluation.measure import measure_model
    from artpipe.evaluation.pictures import evaluation_pictures
    from artpipe.evaluation.report import EVALUATED_SPLITS
    from artpipe.images.store import ImageStore
    from artpipe.models.served import served_card
    from artpipe.schema import TASKS

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
        abstain_below=settings.abstain_below,
        progress=progress_of(context),
    )
    report = measured.report
    pairs = report.leaks.confirmed if report.leaks else pl.DataFrame(schema=PAIRS)
    said_at = datetime.now(UTC).isoformat(timespec="seconds")
    suggestions = same_work_csv(pairs, f"model {served_model.model_id}", said_at)
    write_whole(lake.evaluation_report, json.dumps(report.to_dict(), indent=1).encode())
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
    version = content_hash(pl.DataFrame({"report": [json.dumps(report.to_dict())]}))
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


@dg.asset(
    group_name=GROUP, kinds={"pytorch", "parquet"}, code_version="1", deps=["served_model"], owners=["team:artpipe"]
)
def suspect_labels(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artworks: DataFrame,
    training_set: DataFrame,
    features: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """Labels that are likely to be wrong, the likeliest first, for a person to look at.

    Every work is judged by a small head that never saw it (confident learning, arXiv:1911.00068). What a person
    decided on is left out.
    """
    import polars as pl

    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.evaluation.label_noise import HeadConfig
    from artpipe.evaluation.suspects import SHEET_ROWS, find_suspects, suspects_sheet
    from artpipe.images.store import ImageStore
    from artpipe.schema import TASKS
    from artpipe.splits.corrections import correct_labels
    from artpipe.splits.overrides import read_overrides

    said = read_overrides(settings.override_files, artworks["artwork_id"]).labels
    store = ImageStore(lake)
    # A frozen training set may not have taken in yet what a person corrected.
    rows = correct_labels(store.stored_rows(training_set), said)
    vectors, images_embedded = _fixed_vectors(rows, features, store, context, lake, settings)
    reviewed = said.select("artwork_id", "task")
    suspects, noise = find_suspects(rows, vectors, artworks, reviewed, HeadConfig(seed=settings.seed))
    write_whole(lake.report("labels/suspects.csv"), spreadsheet_csv(suspects))
    sheets: dict[str, Any] = {}
    for task in TASKS:
        shown = suspects.filter(task=task).head(SHEET_ROWS)
        picture = suspects_sheet(shown, store.jpegs(shown["artwork_id"].to_list()), task)
        sheets[f"suspect_{task}"] = save_picture(lake, f"labels/suspects_{task}.png", picture)
    figures = {
        name: value
        for task, found in noise.items()
        for name, value in (
            (f"{task}_suspects", suspects.filter(pl.col("task") == task).height),
            (f"{task}_judged", found.judged),
            (f"{task}_estimated_noise", found.rate),
        )
        if value is not None
    }
    metadata = {**figures, "reviewed": reviewed.height, "images_embedded": images_embedded, **sheets}
    return recorded("suspect_labels", suspects, lineage, metadata=metadata)


def _fixed_vectors(
    rows: DataFrame,
    features: DataFrame,
    store: Any,
    context: dg.AssetExecutionContext,
    lake: DataLake,
    settings: Settings,
) -> tuple[Any, int]:
    """Vectors of pictures to judge their labels by, float32 (N, D), and how many had to be computed.

    Features of a backbone that never saw these labels: a model that learned a wrong label by heart puts the picture
    among those of the wrong class, and so hides it. The served model's own vectors only where some
    have no features.
    """
    from artpipe.embedding.inference import InferenceCache
    from artpipe.models.served import served_card
    from artpipe.training.features import features_in_order

    keys: list[str] = rows["jpeg_sha256"].to_list()
    if features.height and set(keys) <= set(features["jpeg_sha256"]):
        return features_in_order(features, keys)[0].float().numpy(), 0
    found = InferenceCache(lake, served_card(lake), settings.device).infer(rows, store, progress_of(context))
    return found.vectors, found.computed

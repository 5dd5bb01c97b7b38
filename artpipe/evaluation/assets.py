"""Evaluation of the served model on held-out works, and labels that are likely to be wrong."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import write_whole
from artpipe.lake.spreadsheet import spreadsheet_csv
from artpipe.orchestration.asset import AssetStep, Result, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import save_picture
from artpipe.orchestration.storage import PARQUET, written_by_body
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from artpipe.evaluation.label_noise import VectorsAt
    from artpipe.training.features import BackboneFeatures


@pipeline_asset(
    kinds={"numpy"},
    code_version="3",
    shaped_by=("abstain_below", "seed"),
    stored=written_by_body(lambda lake: lake.evaluation_report).with_files(lambda lake: [lake.report("evaluation")]),
    deps=["served_model"],
)
def evaluation_report(
    step: AssetStep, artworks: DataFrame, tasks: Tasks, splits: DataFrame, training_set: DataFrame
) -> Result:
    """Accuracy, calibration, retrieval, mistakes and leaks on validation, test and unseen artists, each separately."""
    import polars as pl

    from artpipe.evaluation.leaks import PAIRS, same_work_csv
    from artpipe.evaluation.markdown import report_markdown
    from artpipe.evaluation.measure import measure_model
    from artpipe.evaluation.pictures import evaluation_pictures
    from artpipe.images.store import ImageStore
    from artpipe.models.served import measured_card
    from artpipe.splits.assign import HELD_OUT

    lake, settings, tasks = step.lake, step.settings, tasks.among(splits.columns)
    model, images = measured_card(lake), ImageStore(lake)
    measured = measure_model(
        lake,
        model,
        splits,
        training_set,
        artworks,
        images,
        tasks,
        device=settings.device,
        seed=settings.seed,
        abstain_below=settings.abstain_below,
        progress=step.progress,
        engine=step.engine,
    )
    report = measured.report
    pairs = report.leaks.confirmed if report.leaks else pl.DataFrame(schema=PAIRS)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    suggestions = same_work_csv(pairs, f"model {model.model_id}", now)
    markdown = report_markdown(report)
    write_whole(lake.evaluation_report, json.dumps(report.to_dict(), indent=1).encode())
    write_whole(lake.report("evaluation/report.md"), markdown.encode())
    write_whole(lake.report("evaluation/same_work_suggestions.csv"), suggestions)
    pictures = {
        name: save_picture(lake, f"evaluation/{name}.png", picture)
        for name, picture in evaluation_pictures(measured, artworks, images, tasks)
    }
    # An event has room for ten thumbnails that show something, not for twenty.
    shown = {name: each for name, each in pictures.items() if "validation" not in name and "unseen" not in name}
    figures = {
        f"{split}_{task}_at_1": value
        for split in HELD_OUT
        for task in tasks
        if (value := report.scores(task, split).at_1) is not None
    }
    return Result(
        version=content_hash(pl.DataFrame({"report": [json.dumps(report.to_dict())]})),
        metadata={
            "model_id": model.model_id,
            "report": dg.MetadataValue.md(markdown),
            **figures,
            "images_embedded": measured.images_embedded,
            "photographs_embedded": measured.photographs_embedded,
            "leaks": pairs.height,
            "pictures": dg.MetadataValue.path(str(lake.report("evaluation"))),
            **shown,
        },
    )


@pipeline_asset(
    kinds={"pytorch", "parquet"},
    code_version="1",
    shaped_by=("seed",),
    stored=PARQUET.with_files(lambda lake: [lake.report("labels")]),
    deps=["served_model", "label_overrides"],
    renamed={"label_overrides_content": "label_overrides", "features": "backbone_features"},
)
def suspect_labels(
    step: AssetStep, artworks: DataFrame, tasks: Tasks, training_set: DataFrame, backbone_features: "BackboneFeatures"
) -> Result:
    """Labels that are likely to be wrong, the likeliest first, for a person to review.

    Confident learning (arXiv:1911.00068) compares each label with the prediction of a head trained on other works.
    Labels that a person reviewed are left out.
    """
    import polars as pl

    from artpipe.evaluation.label_noise import HeadConfig
    from artpipe.evaluation.suspects import SHEET_ROWS, find_suspects, suspects_sheet
    from artpipe.images.store import ImageStore
    from artpipe.splits.corrections import correct_labels
    from artpipe.splits.overrides import OverrideFiles, read_overrides

    lake, settings = step.lake, step.settings
    overrides = read_overrides(OverrideFiles.from_settings(settings), artworks["artwork_id"]).labels
    store = ImageStore(lake)
    # The frozen training set may predate a person's corrections.
    rows = correct_labels(store.stored_rows(training_set), overrides)
    vectors_at, images_embedded = _fixed_vectors(step, rows, backbone_features, store)
    reviewed = overrides.select("artwork_id", "task")
    config = HeadConfig(seed=settings.seed)
    suspects, noise = find_suspects(rows, vectors_at, artworks, reviewed, tasks, config, step.progress)
    write_whole(lake.report("labels/suspects.csv"), spreadsheet_csv(suspects))
    sheets: dict[str, Any] = {}
    for task in tasks:
        shown = suspects.filter(task=task).head(SHEET_ROWS)
        picture = suspects_sheet(shown, store.jpegs(shown["artwork_id"].to_list()), task)
        sheets[f"suspect_{task}"] = save_picture(lake, f"labels/suspects_{task}.png", picture)
    figures = {
        name: value
        for task, found in noise.items()
        for name, value in (
            (f"{task}_suspects", suspects.filter(pl.col("task") == task).height),
            (f"{task}_evaluated", found.evaluated),
            (f"{task}_estimated_noise", found.rate),
        )
        if value is not None
    }
    metadata = {**figures, "reviewed": reviewed.height, "images_embedded": images_embedded, **sheets}
    return Result(suspects, metadata=metadata)


def _fixed_vectors(
    step: AssetStep, rows: DataFrame, features: "BackboneFeatures", store: Any
) -> "tuple[VectorsAt, int]":
    """The vectors to predict labels from, and how many had to be computed.

    Features of a pretrained backbone that was not trained on these labels: a model that memorised a wrong label embeds
    the image among those of the wrong class, which hides the error. The served model's own vectors are used only where
    some images have no features.
    """
    from artpipe.embedding.inference import InferenceCache
    from artpipe.models.served import measured_card

    held = features.held()
    if held.keys() >= set(rows["jpeg_sha256"]):
        artworks = [held[key] for key in rows["jpeg_sha256"]]
        return lambda at: features.of_artworks([artworks[row] for row in at])[0].float().numpy(), 0
    cache = InferenceCache(step.lake, measured_card(step.lake), step.settings.device, step.engine)
    found = cache.infer(rows, store, step.progress)
    return found.vectors.__getitem__, found.computed

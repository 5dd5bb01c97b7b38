"""The indexes that a search uses."""

import hashlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import EMBEDDINGS_TABLE, DataLake
from artpipe.orchestration.asset import AssetStep, Result, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table
from artpipe.orchestration.storage import lance_table, written_by_body

if TYPE_CHECKING:
    from upath import UPath


def _indices(lake: DataLake) -> "UPath":
    """The indices of the table of embeddings."""
    return lake.lance(EMBEDDINGS_TABLE) / "_indices"


@pipeline_asset(
    kinds={"numpy", "lancedb"},
    code_version="3",
    shaped_by=("search_recall", "seed"),
    stored=written_by_body(lambda lake: lake.index("card.json")).with_files(lambda lake: [_indices(lake)]),
    deps=["vectors"],
)
def search_index(step: AssetStep) -> Result:
    """What finds the neighbours of a vector: exact and in memory up to 250,000 works, beyond it a LanceDB index.

    The card records the settings that reach the wanted recall, and what else was tried.
    """
    import polars as pl

    from artpipe.search.index import update_index

    lake, settings = step.lake, step.settings
    card = update_index(lake, min_recall=settings.search_recall, seed=settings.seed)
    step.log(f"{card.kind} serves {card.rows:,} vectors; recall@10 {card.recall_at_10:.4f}; {card.why}")
    trials = pl.DataFrame([{**asdict(trial), "parameters": str(trial.parameters)} for trial in card.trials])
    content = f"{card.kind} {sorted(card.parameters.items())} {card.content_version}"
    return Result(
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
        metadata={
            "dagster/row_count": card.rows,
            "kind": card.kind,
            "parameters": dg.MetadataValue.json(card.parameters),
            "recall_at_10": card.recall_at_10,
            "trials": dg.MetadataValue.md(markdown_table(trials, rows=trials.height)),
            "why": card.why,
            "rows_added_since_trained": card.added_rows,
        },
    )


@pipeline_asset(
    kinds={"numpy"},
    code_version="2",
    stored=written_by_body(lambda lake: lake.index("novelty.npz")),
    deps=["vectors"],
)
def novelty_scale(step: AssetStep, splits: DataFrame) -> Result:
    """The out-of-distribution threshold: 99 of 100 held-out works are nearer to the collection than this distance.

    A refit knows the held-out works, so they are measured by the vectors of the model that it is the refit of.
    """
    from artpipe.embedding.inference import InferenceCache
    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.images.store import ImageStore
    from artpipe.models.card import load_card
    from artpipe.models.learned import held_out_and_fitted_on, load_learned
    from artpipe.models.served import served_card
    from artpipe.search.novelty import measure_scale, save_scale, transferred

    lake = step.lake
    table = EmbeddingTable(lake)
    version = table.version
    rows = table.read(["artwork_id", "jpeg_sha256", "model_id"], version)
    model_id = served_card(lake).model_id if rows.is_empty() else str(rows["model_id"][0])
    assigned = rows.join(splits.select("artwork_id", "work_id", "split"), "artwork_id", "left", maintain_order="left")
    card = load_card(lake.model(model_id))
    held_out, fitted_on = held_out_and_fitted_on(splits, load_learned(lake.model(card.measured_id)))
    is_held_out, is_fitted_on = (
        assigned["artwork_id"].is_in(some["artwork_id"].implode()).to_numpy() for some in (held_out, fitted_on)
    )
    work_ids = assigned["work_id"].fill_null(assigned["artwork_id"]).to_numpy()
    vectors = table.vectors(version)[1]
    if card.refit_of:
        measured = load_card(lake.model(card.refit_of))
        cache = InferenceCache(lake, measured, step.settings.device, step.engine)
        found = cache.infer(rows, ImageStore(lake), step.progress)
        of_measured = measure_scale(found.vectors, work_ids, is_held_out, measured.model_id)
        scale = transferred(of_measured, found.vectors, vectors, work_ids, is_fitted_on, model_id)
        embedded = found.computed
    else:
        scale, embedded = measure_scale(vectors, work_ids, is_held_out, model_id), 0
    save_scale(lake, scale)
    content = f"{scale.threshold} {scale.pictures} {vectors_version(rows)}"
    threshold = {} if scale.threshold is None else {"threshold": scale.threshold}
    return Result(
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
        metadata={
            **threshold,
            "held_out_pictures": scale.pictures,
            "model_id": scale.model_id,
            "thresholds_by": card.measured_id,
            "images_embedded": embedded,
        },
    )


@pipeline_asset(
    kinds={"pytorch"},
    code_version="2",
    stored=written_by_body(lambda lake: lake.index("paintings.npz")),
    deps=["refitted_model"],
    renamed={"served_model": "refitted_model"},
)
def painting_detector(step: AssetStep, training_set: DataFrame) -> Result:
    """What tells whether a picture looks like a painting, and which way up it is held.

    Of held-out works either rule refuses three in a thousand, and one in fifty is turned. It is made again when the
    model or the training set changes, not for each new work. A refit knows the held-out works: where the measured model
    has the same features, that one sets the thresholds, else nothing is refused or turned.
    """
    from artpipe.images.store import ImageStore
    from artpipe.models.learned import load_learned
    from artpipe.models.served import served_card
    from artpipe.search.painting_fit import measure_detector, model_to_fit_with
    from artpipe.search.paintings import features_of, save_detector
    from artpipe.search.predictions import stored_short_side_px
    from artpipe.search.served_model import load_served_model

    lake = step.lake
    card, store = served_card(lake), ImageStore(lake)
    rows = store.stored_rows(training_set)
    fitted_with = model_to_fit_with(card)
    model = load_served_model(lake, step.settings.device, fitted_with)
    detector = measure_detector(
        card.model_id,
        rows,
        load_learned(lake.model(fitted_with)),
        store,
        lambda pictures: features_of(model.encode_with_features(pictures)),
        stored_short_side_px(lake),
        step.progress,
    )
    save_detector(lake, detector)
    thresholds = {
        name: value for name in ("least_similarity", "most_contrast") if (value := getattr(detector, name)) is not None
    }
    content = f"{detector.model_id} {content_hash(rows.select('artwork_id', 'split', 'jpeg_sha256'))}"
    return Result(
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
        metadata={
            **thresholds,
            "pictures_compared_with": len(detector.works),
            "held_out_pictures": detector.pictures,
            "model_id": detector.model_id,
        },
    )


@pipeline_asset(
    kinds={"numpy"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.index("text_encoder.npz")),
    deps=["embeddings", "vectors"],
)
def text_encoder(step: AssetStep) -> Result:
    """What the words of the catalogue look like, learned from the vectors; it finds works whose own text lacks them.

    Words that pictures by other artists do not confirm are left out.
    """
    import polars as pl

    from artpipe.embedding.table import EmbeddingTable, tasks_of_table
    from artpipe.models.served import served_card
    from artpipe.search.text_encoder import save_text_encoder
    from artpipe.search.text_encoder_fit import fit_text_encoder

    lake = step.lake
    table = EmbeddingTable(lake)
    version = table.version
    texts = ["title", "school", *tasks_of_table(table.columns(version))]
    works = table.read(["artwork_id", "jpeg_sha256", "artist_id", "artist", "model_id", *texts], version)
    model_id = served_card(lake).model_id if works.is_empty() else str(works["model_id"][0])
    encoder = fit_text_encoder(model_id, works, table.vectors(version)[1], texts, step.progress)
    save_text_encoder(lake, encoder)
    words = pl.DataFrame({"word": encoder.words, "precision": encoder.precision, "share": encoder.share})
    words = words.sort("precision", "word", descending=[True, False])
    return Result(
        version=content_hash(works),
        metadata={
            "dagster/row_count": words.height,
            "words": dg.MetadataValue.md(markdown_table(words, rows=50)),
            "model_id": encoder.model_id,
        },
    )


@pipeline_asset(
    kinds={"lancedb"},
    code_version="2",
    stored=replace(lance_table(EMBEDDINGS_TABLE).with_files(lambda lake: [_indices(lake)]), owns_location=False),
    deps=["embeddings"],
)
def text_index(step: AssetStep) -> Result:
    """The full-text index of what the catalogue says of a work; only new rows are added."""
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.search.text import build_text_index

    covered = build_text_index(step.lake)
    table = EmbeddingTable(step.lake)
    return Result(
        version=table.content_hash(["artwork_id", *covered]),
        metadata={"dagster/row_count": table.count(), "rows_covered": dg.MetadataValue.json(covered)},
    )


@pipeline_asset(
    kinds={"opencv", "lancedb"},
    code_version="4",
    stored=written_by_body(lambda lake: lake.index("visual_words.npz")).with_files(
        lambda lake: [lake.index("same_painting.json"), lake.lance("local_features"), lake.lance("visual_words")]
    ),
    deps=["vectors"],
)
def local_features(step: AssetStep) -> Result:
    """Keypoints and descriptors of every picture for `Collection.same_painting`, and its calibrated match threshold.

    Only new and changed pictures are described. `ARTPIPE_SAME_PAINTING=false` leaves it out of the graph.
    """
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.recognition.feature_index import build_feature_index

    done = build_feature_index(step.lake, step.progress, engine=step.engine)
    pictures = EmbeddingTable(step.lake).read(["artwork_id", "jpeg_sha256"])
    return Result(version=content_hash(pictures), metadata={"dagster/row_count": pictures.height, **asdict(done)})

"""One unit vector for every usable image, with the predicted labels and the metadata to filter by."""

from collections.abc import Iterator

import dagster as dg

from artpipe.lake.parquet import content_hash, read_table_if_exists
from artpipe.lake.paths import EMBEDDINGS_TABLE
from artpipe.orchestration.asset import (
    AssetStep,
    Result,
    RunConfig,
    observed_file,
    pipeline_asset,
    pipeline_assets,
)
from artpipe.orchestration.metadata import CHANGES, PREVIEW_ROWS, save_picture, table_metadata
from artpipe.orchestration.storage import PARQUET, lance_table, written_by_body
from artpipe.settings import Settings
from artpipe.tasks import Tasks

_ROWS_PER_COMMIT = 16_384
"""The vectors of fewer pictures are in the inference cache alone until there are so many."""


@pipeline_assets(
    kinds={"pytorch", "lancedb"},
    code_version="1",
    stored={"embeddings": lance_table(EMBEDDINGS_TABLE), "vectors": lance_table(EMBEDDINGS_TABLE)},
    descriptions={
        "embeddings": "The searchable table: a unit vector for every usable image, predictions, and metadata.",
        "vectors": "The vectors of that table without metadata: all that a search index depends on.",
    },
    # The model card is no input, since reading it imports torch, which a reused step does not need; of the tables, only
    # some columns are read.
    deps=["artworks", "splits", "refitted_model"],
    renamed={"served_model": "refitted_model"},
)
def embedded_images(step: AssetStep, tasks: Tasks) -> Iterator[Result]:
    """Bring the table up to date: only images new to this model run through the network, metadata is updated alone."""
    import polars as pl

    from artpipe.embedding.inference import InferenceCache, embedding_rows
    from artpipe.embedding.table import KEYS, VECTOR, EmbeddingTable, has_rights, vectors_version
    from artpipe.embedding.wanted import wanted_rows
    from artpipe.images.store import ImageStore
    from artpipe.models.served import served_card

    lake, settings = step.lake, step.settings
    served_model = served_card(lake)
    wanted = wanted_rows(lake, tasks)
    tasks, rights = tasks.among(wanted.columns), has_rights(wanted.columns)
    store, table = ImageStore(lake), EmbeddingTable(lake, tasks, rights=rights)
    cache = InferenceCache(lake, served_model, settings.device, step.engine)
    table.prepare(served_model.embedding_dim)
    plan = table.plan(wanted, served_model.model_id, [task for task in tasks if task in served_model.classes])
    to_embed, to_update = (wanted.filter(pl.col("artwork_id").is_in(some)) for some in (plan.to_embed, plan.to_update))
    del wanted
    computed = 0
    rows_to_commit: list[pl.DataFrame] = []
    for some, found in cache.inferred(to_embed, store, step.progress):
        computed += found.computed
        rows_to_commit.append(embedding_rows(some, found, served_model, tasks))
        if sum(map(len, rows_to_commit)) >= _ROWS_PER_COMMIT:
            table.upsert(pl.concat(rows_to_commit))
            rows_to_commit.clear()
    if rows_to_commit:
        table.upsert(pl.concat(rows_to_commit))
    table.update_metadata(to_update.drop("jpeg_sha256"))
    table.remove(plan.to_remove)
    if not plan.is_empty:
        table.optimize(settings.keep_versions_for)
    del to_embed, to_update, rows_to_commit
    keys, sample = table.read(list(KEYS)), table.sample(PREVIEW_ROWS)
    changes = {"embedded": len(plan.to_embed), "gone": len(plan.to_remove)}
    both = {"model_id": served_model.model_id, "unchanged": plan.unchanged}
    yield Result(
        asset="embeddings",
        version=table.content_hash(sample.columns),
        metadata={
            **table_metadata(
                sample, "embeddings", {VECTOR: pl.Array(pl.Float32, served_model.embedding_dim)}, keys.height
            ),
            "rows_updated": len(plan.to_update),
            "images_embedded": computed,
            CHANGES: dg.MetadataValue.json(changes | {"metadata updated": len(plan.to_update)}),
            **both,
        },
    )
    yield Result(
        asset="vectors",
        version=vectors_version(keys),
        metadata={"dagster/row_count": keys.height, CHANGES: dg.MetadataValue.json(changes), **both},
    )


class ArtMapConfig(RunConfig):
    """Run config of `art_map`."""

    lay_out_anew: bool = False
    """Lay out every work again, starting from its position, instead of only placing new works."""

    @property
    def must_run(self) -> bool:
        """Whether the run config requests a new layout."""
        return self.force or self.lay_out_anew


@pipeline_asset(
    kinds={"numpy"},
    code_version="1",
    shaped_by=("seed",),
    stored=PARQUET.with_files(lambda lake: [lake.report("map")]),
    deps=["vectors"],
)
def art_map(step: AssetStep, config: ArtMapConfig, tasks: Tasks) -> Result:
    """The position of each work on the map: similar works are close, and positions are kept from refresh to refresh."""
    from artpipe.embedding.mapping import update_map
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.figures.map_picture import map_picture

    embedded = EmbeddingTable(step.lake)
    version = embedded.version
    tasks = tasks.among(embedded.columns(version))
    by = tasks[tasks.caption] if tasks.caption else None
    columns = ["artwork_id", "jpeg_sha256", "model_id", *([by.name] if by else [])]
    works = embedded.read(columns, version=version)
    _, vectors = embedded.vectors(version)
    previous = read_table_if_exists(step.lake, "art_map")
    update = update_map(
        works, vectors, previous, force=config.lay_out_anew, seed=step.settings.seed, engine=step.engine
    )
    labelled = update.table.with_columns(works[by.name]) if by else update.table
    coloured = f" and coloured by {by.title}" if by else ""
    picture = map_picture(labelled, f"{works.height:,} works, placed by similarity{coloured}", by)
    return Result(
        update.table,
        metadata={
            "map": save_picture(step.lake, "map/art_map.png", picture),
            "kept": update.kept,
            "placed": update.placed,
            "laid_out": update.laid_out,
            "why_laid_out": update.why or "only new works were placed",
        },
    )


@observed_file
def image_text_model(settings: Settings) -> str:
    """The image-text model of descriptions: published weights by their name, a folder by its content."""
    from artpipe.embedding.image_text_model import image_text_version

    return "none" if settings.image_text_model is None else image_text_version(settings.image_text_model)


@pipeline_asset(
    kinds={"pytorch", "lancedb"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.index("image_text.json")).with_files(
        lambda lake: [lake.lance("image_text_vectors")]
    ),
    deps=["vectors", "image_text_model"],
)
def image_text_vectors(step: AssetStep) -> Result:
    """The vector of every searchable picture by the image-text model, for `Collection.describe`.

    Only new and changed pictures run through it. It is in the graph where `ARTPIPE_IMAGE_TEXT_MODEL` is set.
    """
    import polars as pl

    from artpipe.embedding.image_text_model import absolute_name, image_text_version, load_image_text_model
    from artpipe.embedding.image_text_table import ImageTextCard, ImageTextTable
    from artpipe.embedding.table import EmbeddingTable

    name = absolute_name(step.settings.image_text_model or "")
    card = ImageTextCard(name, image_text_version(name))
    pictures = EmbeddingTable(step.lake).read(["artwork_id", "jpeg_sha256"])
    embedded, dropped = ImageTextTable(step.lake).update(
        card, dict(pictures.iter_rows()), lambda: load_image_text_model(name, step.settings.device), step.progress
    )
    return Result(
        version=content_hash(pictures.with_columns(model=pl.lit(card.version))),
        metadata={"dagster/row_count": pictures.height, "embedded": embedded, "dropped": dropped, "model": name},
    )

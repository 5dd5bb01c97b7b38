"""How tables travel between assets, and how their data versions come from what they hold.

A Parquet table is written whole or not at all. Lance tables (`images`, `embeddings`) are written by their own stores;
here they are only read, without their heavy columns. A data version is a hash of content: the order of rows and
columns, the layout of files and the time of the run do not count.
"""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import content_hash, read_table, write_table
from artpipe.lake.paths import EMBEDDINGS_TABLE, IMAGES_TABLE, DataLake, write_whole
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.reuse import REUSED

if TYPE_CHECKING:
    import polars as pl

    from artpipe.models.checkpoint import ModelCard

PREVIEW_ROWS = 8
PREVIEW_CHARS = 48


def recorded(
    asset: str, table: "pl.DataFrame", lineage: Lineage, metadata: Mapping[str, Any] | None = None
) -> "dg.MaterializeResult[pl.DataFrame]":
    """The result of an asset that is a Parquet table: its content version, row count, columns and a look at some rows.

    Its record is staged here, and committed by the IO manager when the table is written.
    """
    version = content_hash(table)
    lineage.stage(asset, version)
    return dg.MaterializeResult(
        asset_key=asset,
        value=table,
        data_version=dg.DataVersion(version),
        metadata={**table_metadata(table), REUSED: False, **(metadata or {})},
    )


def table_metadata(table: "pl.DataFrame") -> dict[str, Any]:
    """What Dagster shows of a table: row count, column schema and a few rows spread over it."""
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in table.schema.items()]
    return {
        "dagster/row_count": table.height,
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "preview": dg.MetadataValue.md(markdown_table(table.gather_every(max(1, table.height // PREVIEW_ROWS)))),
    }


def markdown_table(table: "pl.DataFrame", rows: int = PREVIEW_ROWS) -> str:
    """The first rows of a table as Markdown; long values are cut."""

    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        text = text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
        return text.replace("|", "\\|").replace("\n", " ")

    head = table.head(rows)
    lines = [f"| {' | '.join(head.columns)} |", f"|{'---|' * head.width}"]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in head.iter_rows()]
    return "\n".join(lines)


class ParquetIOManager(dg.IOManager):
    """Keeps polars frames as Parquet files of the lake, and then the records of what they were made from."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.lake = lineage.lake

    def handle_output(self, context: dg.OutputContext, obj: "pl.DataFrame") -> None:
        """Write the table whole, then its record."""
        name = context.asset_key.path[-1]
        path = self.lake.table(name)
        write_table(path, obj)
        self.lineage.commit(name)
        context.add_output_metadata({"path": str(path)})

    def load_input(self, context: dg.InputContext) -> "pl.DataFrame":
        """Read the table.

        Raises:
            dg.Failure: the upstream asset has never been materialised.
        """
        return read_table(self.lake, context.asset_key.path[-1])


class LanceIOManager(dg.IOManager):
    """Reads the light columns of the lake's Lance tables; the stores of `images` and `embeddings` write them."""

    def __init__(self, lake: DataLake) -> None:
        self.lake = lake

    def handle_output(self, context: dg.OutputContext, obj: None) -> None:
        """Nothing: the table's own store has committed its rows already."""

    def load_input(self, context: dg.InputContext) -> "pl.DataFrame":
        """Read a Lance table without JPEG bytes and vectors."""
        name = context.asset_key.path[-1]
        if name == IMAGES_TABLE:
            from artpipe.images.store import ImageStore

            return ImageStore(self.lake).outcomes()
        if name == EMBEDDINGS_TABLE:
            from artpipe.embedding.table import EmbeddingTable

            return EmbeddingTable(self.lake).read()
        raise dg.DagsterInvariantViolationError(f"{name!r} is not a Lance table of the lake")


class ModelIOManager(dg.IOManager):
    """Hands downstream assets the card of the candidate or of the served model; weights are loaded where used."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.lake = lineage.lake

    def handle_output(self, context: dg.OutputContext, obj: "ModelCard") -> None:
        """Make a trained model the candidate; `served_model` hands over nothing, its pointer is moved already."""
        from artpipe.models.registry import name_candidate

        name_candidate(self.lake, obj.model_id)
        self.lineage.commit("classifier")
        context.add_output_metadata({"path": str(self.lake.model(obj.model_id))})

    def load_input(self, context: dg.InputContext) -> "ModelCard":
        """Read the card of the candidate, for whoever takes `classifier`, or of the served model."""
        from artpipe.models.checkpoint import load_card
        from artpipe.models.registry import candidate_id
        from artpipe.models.served import served_card

        candidate = candidate_id(self.lake) if context.asset_key.path[-1] == "classifier" else None
        return served_card(self.lake) if candidate is None else load_card(self.lake.model(candidate))


def save_picture(lake: DataLake, name: str, picture: bytes) -> dg.MarkdownMetadataValue:
    """Keep a picture among the lake's reports and show it in Dagster.

    Args:
        lake: where it is kept.
        name: its path below `reports/`, with its suffix.
        picture: PNG or JPEG bytes.
    """
    write_whole(lake.report(name), picture)
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return dg.MetadataValue.md(f"![{name}](data:image/{kind};base64,{base64.b64encode(picture).decode()})")

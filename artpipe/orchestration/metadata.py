"""What Dagster shows of an asset: tables as Markdown, column schemas, pictures; and the names of shared metadata."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.paths import DataLake, write_whole
from artpipe.orchestration.event_size import embedded_picture
from artpipe.schema import column_description

if TYPE_CHECKING:
    import polars as pl

WORK = ("requests", "not_modified", "bodies", "images_fetched", "images_decoded", "images_embedded", "rows_updated")
"""Names of the metadata that count work; a refresh adds them up, and in a reused asset they are 0."""

DATA_VERSION_TAG = "dagster/data_version"
"""Dagster's own tag of a materialisation or observation with the data version."""

REUSED = "reused"
CHANGES = "changes"
"""Name of the metadata that counts what differs from the previous content, such as `{"new": 3, "gone": 0}`."""

PREVIEW_ROWS = 8
PREVIEW_CHARS = 48


def table_metadata(
    table: "pl.DataFrame",
    name: str,
    unread: "Mapping[str, pl.DataType] | None" = None,
    rows: int | None = None,
) -> dict[str, Any]:
    """Row count, column schema and a few rows spread over a table.

    Args:
        table: its rows, or a few of them.
        name: of the asset, for the descriptions of its columns.
        unread: columns that are stored and are not in `table`.
        rows: how many are stored; by default those of `table`.
    """
    columns = [
        dg.TableColumn(column, str(kind), column_description(column, name))
        for column, kind in {**table.schema, **(unread or {})}.items()
    ]
    return {
        "dagster/row_count": table.height if rows is None else rows,
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


def save_picture(lake: DataLake, name: str, picture: bytes) -> dg.MarkdownMetadataValue:
    """Keep a picture among the lake's reports; Dagster shows a thumbnail, and where the picture is.

    Args:
        lake: where it is kept.
        name: its path below `reports/`, with its suffix.
        picture: PNG or JPEG bytes.
    """
    path = lake.report(name)
    write_whole(path, picture)
    return dg.MetadataValue.md(f"{embedded_picture(name, picture)}\n\nThe whole picture: `{path}`")

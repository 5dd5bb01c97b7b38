"""The `embeddings` table: one row is a searchable image, its unit vector and what people filter on.

Rows are keyed by `artwork_id` and say which model and which image they were made from, so that a run embeds only what
is new, a killed run goes on where it stopped, and a change of title moves metadata alone. `artpipe.search` reads it.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from artpipe.embedding.plan import EmbeddingPlan, compare_rows
from artpipe.lake.lance_tables import committed, create_table, keyed_schema, merge, open_keyed, open_lance
from artpipe.lake.parquet import content_hash_of
from artpipe.lake.paths import EMBEDDINGS_TABLE, DataLake
from artpipe.lake.versions import MIN_CURRENT, TableVersion, maintain_table, table_versions
from artpipe.schema import ARTWORKS
from artpipe.tasks import Tasks, read_tasks
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance
    from lancedb.table import Table
    from numpy.typing import NDArray

_OF_ARTWORKS = (
    "artist_id",
    "artist",
    "title",
    "date_text",
    "year_from",
    "year_to",
    "technique",
    "location",
    "page_url",
    "image_url",
    "form",
    "school",
)
METADATA = pl.Schema({name: ARTWORKS[name] for name in _OF_ARTWORKS} | {"work_id": pl.String()})
"""What comes from the catalogue and the splits, and can change without a new vector; the labels of tasks do, too."""

RIGHTS = pl.Schema({name: ARTWORKS[name] for name in ("source", "rights_uri", "is_open", "credit_line")})
"""More of it in a collection of a file of sources; the table of one gallery has no such columns."""

KEYS = pl.Schema({"artwork_id": pl.String(), "model_id": pl.String(), "jpeg_sha256": pl.String()})
"""What a row is, and what its vector was made by and from."""

VECTOR = "vector"
ROWS_PER_FRAGMENT = 262_144
"""A full fragment is left alone by `optimize`, so that a few new works never rewrite every vector; of a million works
in 3 fragments the metadata of ten hits are read in half the time that they take in 31."""
_IDS_A_DELETE = 500
_ROWS_AT_ONCE = 32_768
_LENGTH_TOLERANCE = 1e-3
_PREDICTED, _PROBABILITY = "predicted_", "_probability"


def predictions_schema(tasks: Iterable[str]) -> pl.Schema:
    """The label that the model finds most likely for each task, and how likely it finds it."""
    parts = (("", pl.String()), (_PROBABILITY, pl.Float32()))
    return pl.Schema({f"{_PREDICTED}{task}{part}": kind for task in tasks for part, kind in parts})


def metadata_schema(tasks: Iterable[str], *, rights: bool = False) -> pl.Schema:
    """`METADATA`, `RIGHTS` where they are wanted, and the label of each task."""
    return pl.Schema({**METADATA, **(RIGHTS if rights else {}), **dict.fromkeys(tasks, pl.String())})


def table_schema(tasks: Collection[str], *, rights: bool = False) -> pl.Schema:
    """Everything but the vector, in a lake of these tasks."""
    return pl.Schema({**KEYS, **metadata_schema(tasks, rights=rights), **predictions_schema(tasks)})


def has_rights(columns: Iterable[str]) -> bool:
    """Whether a table with these columns says what may be done with its pictures."""
    return set(RIGHTS) <= set(columns)


def tasks_of_table(columns: Iterable[str]) -> tuple[str, ...]:
    """The tasks that a table with these columns has predictions of."""
    ends = tuple(name.removesuffix(_PROBABILITY) for name in columns if name.endswith(_PROBABILITY))
    return tuple(name.removeprefix(_PREDICTED) for name in ends if name.startswith(_PREDICTED))


class EmbeddingTable:
    """The LanceDB table `embeddings` of a lake. Reading never creates or changes anything.

    Args:
        lake: where it is.
        tasks: of which `prepare` gives it columns; by default those of the lake.
        rights: whether `prepare` gives it the columns of `RIGHTS`; by default only where it has them.
    """

    def __init__(self, lake: DataLake, tasks: Tasks | None = None, *, rights: bool | None = None) -> None:
        self.lake, self._rights = lake, rights
        self._tasks = tasks

    def dataset(self, version: int | None = None) -> "lance.LanceDataset | None":
        """One version of the Lance table, the latest by default; None where nothing was ever embedded."""
        # Lance alone loads in a third of LanceDB's time, and reading needs no more.
        return open_lance(self._uri, version)

    @property
    def exists(self) -> bool:
        """Whether anything was ever embedded."""
        return self.dataset() is not None

    @property
    def version(self) -> int | None:
        """The latest commit of the table; hand it to the reading methods for one consistent picture."""
        dataset = self.dataset()
        return None if dataset is None else int(dataset.version)

    @property
    def dimension(self) -> int | None:
        """The length D of the vectors."""
        dataset = self.dataset()
        return None if dataset is None else int(dataset.schema.field(VECTOR).type.list_size)

    def columns(self, version: int | None = None) -> list[str]:
        """The names of its columns without the vector; none where nothing was ever embedded."""
        dataset = self.dataset(version)
        return [] if dataset is None else [name for name in dataset.schema.names if name != VECTOR]

    def count(self) -> int:
        """The number of rows."""
        dataset = self.dataset()
        return 0 if dataset is None else int(dataset.count_rows())

    def read(self, columns: list[str] | None = None, version: int | None = None) -> pl.DataFrame:
        """The rows without their vectors, in the order of `artwork_id`.

        Args:
            columns: names to read; all but the vectors by default.
            version: a commit of the table; the latest by default.
        """
        dataset = self.dataset(version)
        if dataset is None:
            schema = self._schema()
            return pl.DataFrame(schema={name: schema[name] for name in schema if columns is None or name in columns})
        if columns is None:
            columns = [name for name in dataset.schema.names if name != VECTOR]
        scanned = dataset.to_table(columns=list(dict.fromkeys(["artwork_id", *columns])))
        order = cast("pl.Series", pl.from_arrow(scanned["artwork_id"])).arg_sort()
        rows: dict[str, pl.Series] = {}
        for name in columns:  # one at a time: sorting a million rows at once takes three times their memory
            rows[name] = cast("pl.Series", pl.from_arrow(scanned[name])).gather(order)
            scanned = scanned.drop([name])
        return pl.DataFrame(rows)

    def batches(self, columns: list[str], version: int | None = None) -> Iterator[pl.DataFrame]:
        """The same some thousand rows at a time, in the order of the table."""
        dataset = self.dataset(version)
        if dataset is not None:
            for batch in dataset.to_batches(columns, batch_size=_ROWS_AT_ONCE, batch_readahead=1, fragment_readahead=1):
                yield cast("pl.DataFrame", pl.from_arrow(batch))

    def content_hash(self, columns: list[str]) -> str:
        """The hash of the content of some columns, by the rows of a part of the table at a time."""
        dataset = self.dataset()
        held = self.read(columns) if dataset is None else pl.from_arrow(dataset.schema.empty_table().select(columns))
        return content_hash_of(cast("pl.DataFrame", held).schema, self.batches(columns))

    def sample(self, rows: int) -> pl.DataFrame:
        """A few rows spread over the table, without their vectors."""
        dataset, columns = self.dataset(), self.columns()
        if dataset is None:
            return self.read()
        places = np.unique(np.linspace(0, max(dataset.count_rows() - 1, 0), rows, dtype=np.int64))
        some = dataset.take(places[: dataset.count_rows()].tolist(), columns)
        return cast("pl.DataFrame", pl.from_arrow(some)).sort("artwork_id")

    def vectors(self, version: int | None = None) -> "tuple[list[str], NDArray[np.float32]]":
        """All ids, sorted, and their vectors as a float32 (N, D) array in the same order.

        Args:
            version: a commit of the table; the latest by default.
        """
        dataset = self.dataset(version)
        if dataset is None:
            return [], np.zeros((0, 0), dtype=np.float32)
        ids, place = _in_order(dataset.to_table(columns=["artwork_id"]))
        matrix = np.empty((len(ids), dataset.schema.field(VECTOR).type.list_size), dtype=np.float32)
        first = 0
        for batch in dataset.to_batches(columns=[VECTOR]):  # a million vectors must not be held twice
            numbers = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            last = first + batch.num_rows
            matrix[place[first:last]] = numbers.reshape(batch.num_rows, matrix.shape[1])
            first = last
        return ids.to_list(), matrix

    def row_addresses(self, version: int | None = None) -> RowAddresses:
        """Where the rows of a version lie, for searches by the table's own index."""
        dataset = self.dataset(version)
        if dataset is None:
            return RowAddresses(np.zeros(0, dtype=np.uint64))
        scanned = dataset.to_table(columns=["artwork_id"], with_row_id=True)
        return RowAddresses(scanned["_rowid"].to_numpy(), _in_order(scanned)[1])

    def plan(self, wanted: pl.DataFrame, model_id: str, predicted: Iterable[str] = ()) -> EmbeddingPlan:
        """Compare the table with what it should hold.

        Args:
            wanted: one row for each searchable image: `artwork_id`, `jpeg_sha256` and any columns of the metadata.
            model_id: the model that must have made every vector.
            predicted: the tasks that every row must have a prediction of.

        Raises:
            ValueError: an `artwork_id` is wanted twice.
        """
        _refuse_repeated(wanted)
        metadata, columns = self._metadata(), self.columns()
        compared = [name for name in metadata if name in wanted.columns]
        predictions = [name for name in predictions_schema(predicted) if name in columns]
        stale = pl.any_horizontal(
            pl.col("jpeg_sha256_held").ne_missing(pl.col("jpeg_sha256")),
            pl.col("model_id_held").ne_missing(model_id),
            *(pl.col(f"{name}_held").is_null() for name in predictions),
        )
        differs = pl.any_horizontal(
            pl.lit(False),
            *(pl.col(name).cast(metadata[name]).ne_missing(pl.col(f"{name}_held")) for name in compared),
        )
        keys = wanted.select("artwork_id", "jpeg_sha256", *compared)
        return compare_rows(keys, self.batches([*KEYS, *compared, *predictions]), stale, differs)

    def prepare(self, dimension: int) -> None:
        """Create the table where there is none, so that a collection without any image has an empty one.

        One that was made with other tasks loses the columns of those that went and gains empty ones of those that came;
        no vector is made again.
        """
        committed(self._uri, lambda: self._prepare(dimension))

    def _prepare(self, dimension: int) -> None:
        table, schema = self._open_for_writing(), self._schema()
        if table is None:
            vector = {VECTOR: pl.Array(pl.Float32, dimension)}
            empty = _arrow_rows(pl.DataFrame(schema={"artwork_id": pl.String, **vector}), schema)
            create_table(self.lake, EMBEDDINGS_TABLE, empty)
            return
        held = [name for name in table.schema.names if name != VECTOR]
        if gone := [name for name in held if name not in schema]:
            table.drop_columns(gone)
        if new := {name: kind for name, kind in schema.items() if name not in held}:
            table.add_columns(_plain_strings(pl.DataFrame(schema=new).to_arrow().schema))

    def upsert(self, rows: pl.DataFrame) -> None:
        """Add rows, or replace those of the same `artwork_id`, as one commit.

        A table whose vectors have another length belongs to another model and is made anew.

        Args:
            rows: the columns of `table_schema` (absent ones become null) and `vector`, Array(Float32, D), each of
                length 1.

        Raises:
            ValueError: an `artwork_id` occurs twice, or a vector is not of length 1.
        """
        if rows.is_empty():
            return
        _refuse_repeated(rows)
        committed(self._uri, lambda: self._upsert(rows))

    def _upsert(self, rows: pl.DataFrame) -> None:
        table = self._open_for_writing()
        held = [] if table is None else [name for name in table.schema.names if name != VECTOR]
        data = _arrow_rows(rows, _schema_of(held) if held else self._schema())
        length = data.schema.field(VECTOR).type.list_size
        is_other_length = table is not None and table.schema.field(VECTOR).type.list_size != length
        if table is None or is_other_length:
            create_table(self.lake, EMBEDDINGS_TABLE, data, instead_of=0 if table is None else table.version)
        else:
            merge(table, data.select(table.schema.names))

    def update_metadata(self, rows: pl.DataFrame) -> None:
        """Change the metadata of rows already held, as one commit; no vector is rewritten and no row is added.

        Args:
            rows: `artwork_id` and the columns of `metadata_schema` to write.
        """
        table = self._open_for_writing()
        if table is None or rows.is_empty():
            return
        _refuse_repeated(rows)
        columns = {"artwork_id": KEYS["artwork_id"], **{n: t for n, t in self._metadata().items() if n in rows.columns}}
        data = rows.select(pl.col(name).cast(kind) for name, kind in columns.items()).to_arrow()
        data = data.cast(_plain_strings(data.schema))
        committed(self._uri, lambda: merge(self._open_for_writing(), data, inserts=False))

    def remove(self, ids: list[str]) -> None:
        """Delete the rows of these artworks; an id that is not held is ignored."""
        table = self._open_for_writing()
        if table is None:
            return
        for first in range(0, len(ids), _IDS_A_DELETE):
            quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in ids[first : first + _IDS_A_DELETE])
            committed(self._uri, partial(table.delete, f"artwork_id IN ({quoted})"))

    def optimize(self, keep_versions_for: timedelta = timedelta(0), min_current: timedelta = MIN_CURRENT) -> None:
        """Join small fragments, once there are many, and drop the table's old versions.

        Args:
            keep_versions_for: how long a version can be opened after it was replaced.
            min_current: a version that was current for less than this is not kept.
        """
        maintain_table(self._uri, ROWS_PER_FRAGMENT, keep_versions_for, min_current)

    def versions(self) -> list[TableVersion]:
        """Every version that can be opened, oldest first."""
        return table_versions(self._uri)

    def _schema(self) -> pl.Schema:
        """The columns that a new table gets."""
        tasks = read_tasks(self.lake) if self._tasks is None else self._tasks
        return table_schema(tasks, rights=has_rights(self.columns()) if self._rights is None else self._rights)

    def _metadata(self) -> pl.Schema:
        """The metadata that the table has columns of."""
        columns = self.columns() or list(self._schema())
        return metadata_schema(tasks_of_table(columns), rights=has_rights(columns))

    @property
    def _uri(self) -> str:
        return self.lake.lance_table(EMBEDDINGS_TABLE)

    def _open_for_writing(self) -> "Table | None":
        if not self.exists:
            return None
        return open_keyed(self.lake, EMBEDDINGS_TABLE)


def _schema_of(columns: Collection[str]) -> pl.Schema:
    """The schema of a table with these columns."""
    return table_schema(tasks_of_table(columns), rights=has_rights(columns))


def vectors_version(rows: pl.DataFrame) -> str:
    """A hash of which vectors a table holds: of every id with the image and the model its vector came from.

    Titles and other metadata do not enter, so that an index over the vectors outlives a change of title.

    Args:
        rows: `artwork_id`, `jpeg_sha256` and `model_id`, in any order.
    """
    line = pl.concat_str("artwork_id", "jpeg_sha256", "model_id", separator="\t", ignore_nulls=True)
    digest = hashlib.sha256()
    for number, part in enumerate(rows.sort("artwork_id").iter_slices(32_768)):  # a million lines are not held at once
        digest.update(("\n" if number else "").encode() + "\n".join(part.select(line).to_series().to_list()).encode())
    return digest.hexdigest()[:16]


def _in_order(scanned: Any) -> "tuple[pl.Series, NDArray[np.int64]]":
    """The ids of an Arrow table of rows, sorted, and the place of each row among them."""
    ids = cast("pl.Series", pl.from_arrow(scanned["artwork_id"]))
    order = ids.arg_sort().to_numpy()
    return ids[order], np.argsort(order, kind="stable")


def _refuse_repeated(rows: pl.DataFrame) -> None:
    repeated = rows["artwork_id"].filter(rows["artwork_id"].is_duplicated())
    if len(repeated):
        raise ValueError(f"artwork_id {repeated[0]!r} occurs more than once")


def _arrow_rows(rows: pl.DataFrame, scalars: pl.Schema) -> Any:
    """An Arrow table of the rows with these columns and the vector."""
    vectors = rows[VECTOR].to_numpy()
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    if not np.allclose(lengths, 1.0, atol=_LENGTH_TOLERANCE):
        raise ValueError(f"a vector has length {lengths[np.argmax(np.abs(lengths - 1.0))]:.4f}, not 1")
    ordered = rows.select(
        pl.col("artwork_id"),
        pl.col(VECTOR).cast(pl.Array(pl.Float32, vectors.shape[1])),
        *(
            (pl.col(name) if name in rows.columns else pl.lit(None).alias(name)).cast(kind)
            for name, kind in scalars.items()
            if name != "artwork_id"
        ),
    )
    data = ordered.to_arrow()
    return data.cast(keyed_schema(_plain_strings(data.schema)))


def _plain_strings(schema: Any) -> Any:
    """The same Arrow schema with Arrow's ordinary strings, which every Lance reader knows."""
    import pyarrow as pa

    return pa.schema([pa.field(f.name, pa.string() if f.type == pa.large_string() else f.type) for f in schema])

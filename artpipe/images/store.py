"""The Lance table `images`: one row for every artwork whose image was requested.

Rows are merged by `artwork_id` or, where their JPEG stays, updated column by column. Each batch is one commit of each
kind, so that a killed run loses at most the batch it was about to write, and no artwork is ever in the table twice,
whoever else writes. JPEGs are read by random access.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

import polars as pl
import pyarrow as pa

from artpipe.errors import ArtpipeError
from artpipe.images.margins import cut
from artpipe.lake.full_disk import FullDiskError, is_of_full_disk
from artpipe.lake.lance_tables import (
    KEY_METADATA,
    ROW_KEY,
    RowOffsets,
    committed,
    create_table,
    merge,
    open_keyed,
    open_lance,
)
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.lake.versions import MIN_CURRENT, maintain_table

if TYPE_CHECKING:
    import lance

IMAGES_SCHEMA = pa.schema(
    [
        pa.field(ROW_KEY, pa.string(), nullable=False, metadata=KEY_METADATA),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("jpeg", pa.large_binary()),
        pa.field("width_px", pa.int32()),
        pa.field("height_px", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("jpeg_sha256", pa.string()),
        pa.field("perceptual_hash", pa.string()),
        pa.field("short_side_px", pa.int32()),
        pa.field("etag", pa.string()),
        pa.field("last_modified", pa.string()),
        pa.field("fetched_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("requested_url", pa.string()),
        pa.field("picture_box", pa.string()),
    ]
)
"""One row is an artwork whose image was requested; sizes and `sha256` are those of the original. `jpeg_sha256` is the
hash of the stored JPEG, by which everything downstream identifies a picture: the same original stored in another size
is another input to a network. Where the picture has margins, `picture_box` is the part within them, and `jpeg_sha256`
and `perceptual_hash` are those of that part; see `trimming.py`. `etag` and `last_modified` belong to the bytes in
`jpeg`."""

OUTCOME_COLUMNS = [name for name in IMAGES_SCHEMA.names if name != "jpeg"]
LATER_COLUMNS = ("requested_url", "picture_box")
"""Columns that the table of an older lake lacks until something is written into it."""
ROWS_PER_FRAGMENT = 4096
"""A full fragment is never compacted again, so that a few new images never rewrite the whole collection."""
_FRAGMENT_BITS = 32
"""A row address has the number of its fragment above this many bits."""


class StoreWriteError(ArtpipeError):
    """The images could not be written to the lake."""


class MissingImageError(ArtpipeError):
    """The store does not have a requested JPEG."""


class ImageStore:
    """The stored images of a lake. Reading never creates anything."""

    _last_outcomes: ClassVar[tuple[str, pl.DataFrame] | None] = None
    """What was read last, with its table, version and files: a harvest, its checks and the splits read it in turn."""

    def __init__(self, lake: DataLake) -> None:
        self.lake = lake
        self.uri = lake.lance_table(IMAGES_TABLE)
        self._offsets = RowOffsets()
        self._table: Any = None

    def __reduce__(self) -> tuple[type["ImageStore"], tuple[DataLake]]:
        return ImageStore, (self.lake,)  # for other processes, which open it themselves

    def prepare(self) -> None:
        """Create the table where there is none, so that the first batch costs no more than the others.

        Raises:
            FullDiskError, StoreWriteError, UnwritableLakeError: the lake cannot be written to.
        """
        with self._writing():
            self._latest()

    def outcomes(self) -> pl.DataFrame:
        """All rows without their JPEGs, in the order of `artwork_id`."""
        dataset = self._dataset()
        if dataset is None:
            empty = pa.schema([IMAGES_SCHEMA.field(name) for name in OUTCOME_COLUMNS]).empty_table()
            return cast("pl.DataFrame", pl.from_arrow(empty))
        key = f"{self.uri} {dataset.version} {[fragment.metadata for fragment in dataset.get_fragments()]}"
        last = ImageStore._last_outcomes
        if last is None or last[0] != key:
            held = [name for name in OUTCOME_COLUMNS if name in dataset.schema.names]
            rows = cast("pl.DataFrame", pl.from_arrow(dataset.to_table(columns=held)))
            rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in LATER_COLUMNS if name not in held)
            rows = rows.select(OUTCOME_COLUMNS)
            last = ImageStore._last_outcomes = (key, rows.sort("artwork_id"))
        return last[1]

    def stored_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose exact JPEG is still stored: an image replaced at the source since then is another one.

        Args:
            rows: `artwork_id` and `jpeg_sha256`, and whatever else.
        """
        keys = ["artwork_id", "jpeg_sha256"]
        return rows.join(self.outcomes().select(keys), on=keys, how="semi", maintain_order="left")

    def upsert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write whole rows: those that the table has already are replaced, the others inserted.

        Args:
            rows: values of `IMAGES_SCHEMA`, each artwork once; a missing key is null.

        Raises:
            FullDiskError, StoreWriteError: the lake is full or not writable; rows of earlier calls are kept.
        """
        if not rows:
            return
        with self._writing():
            data = pa.Table.from_pylist(list(rows), schema=IMAGES_SCHEMA)
            committed(self.uri, lambda: merge(self._latest(), data))

    def amend(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Update columns of known rows; their JPEGs are neither read nor written.

        Args:
            rows: `artwork_id` and the values to write, the same columns (never `jpeg`) in each row.

        Raises:
            FullDiskError, StoreWriteError: the lake is full or not writable; rows of earlier calls are kept.
        """
        if not rows:
            return
        with self._writing():
            self._existing_dataset()
            self._latest()
            committed(self.uri, lambda: self._amend(rows))

    def jpegs(self, artwork_ids: Sequence[str], /) -> list[bytes]:
        """The pictures to compare, in the requested order: the stored JPEGs without their margins.

        Raises:
            MissingImageError: one of them is not stored.
        """
        return [cut(jpeg, box) for jpeg, box in self._read(artwork_ids)]

    def originals(self, artwork_ids: Sequence[str]) -> list[bytes]:
        """The stored JPEGs as they are, to show; otherwise like `jpegs`."""
        return [jpeg for jpeg, _ in self._read(artwork_ids)]

    def _read(self, artwork_ids: Sequence[str]) -> list[tuple[bytes, str | None]]:
        """JPEG and `picture_box` of each artwork."""
        if not artwork_ids:
            return []
        dataset = self._existing_dataset()
        offsets = self._offsets.of(dataset)
        try:
            rows = [offsets[artwork_id] for artwork_id in artwork_ids]
        except KeyError as error:
            raise MissingImageError(f'the image of {error.args[0]!r} is not stored; materialize "images".') from error
        columns = [name for name in ("jpeg", "picture_box") if name in dataset.schema.names]
        found = dataset.take(rows, columns=columns).to_pylist()
        for artwork_id, row in zip(artwork_ids, found, strict=True):
            if row["jpeg"] is None:
                raise MissingImageError(f'the image of {artwork_id!r} is not stored; materialize "images".')
        return [(row["jpeg"], row.get("picture_box")) for row in found]

    def maintain(self, keep_versions_for: timedelta = timedelta(0), min_current: timedelta = MIN_CURRENT) -> None:
        """Compact the small fragments that harvests leave behind and drop old versions; see `maintain_table`.

        Raises:
            FullDiskError, StoreWriteError: the lake is full or not writable; nothing is lost.
        """
        with self._writing():
            maintain_table(self.uri, ROWS_PER_FRAGMENT, keep_versions_for, min_current)

    def _amend(self, rows: Sequence[Mapping[str, Any]]) -> None:
        import lance
        import pyarrow.compute as pc

        dataset = self._existing_dataset()
        schema = pa.schema([IMAGES_SCHEMA.field(name) for name in rows[0]])
        data = pa.Table.from_pylist(list(rows), schema=schema)
        held = dataset.to_table(
            columns=[], filter=pc.field("artwork_id").isin(data["artwork_id"]), with_row_address=True
        )
        touched = set((held["_rowaddr"].to_numpy() >> _FRAGMENT_BITS).tolist())
        # Lance's own merge would rewrite the rows with their JPEGs.
        updated: list[Any] = []
        modified_fields: set[int] = set()
        for fragment in (each for each in dataset.get_fragments() if each.fragment_id in touched):
            metadata, modified = fragment.update_columns(data, left_on="artwork_id")[:2]
            updated.append(metadata)
            modified_fields.update(modified)
        if updated:
            change = lance.LanceOperation.Update(updated_fragments=updated, fields_modified=sorted(modified_fields))
            lance.LanceDataset.commit(self.uri, change, read_version=dataset.version)

    def _dataset(self) -> "lance.LanceDataset | None":
        return open_lance(self.uri)

    def _existing_dataset(self) -> "lance.LanceDataset":
        dataset = self._dataset()
        if dataset is None:
            raise MissingImageError(f'no image is in {self.lake.root} yet; materialize "images".')
        return dataset

    def _latest(self) -> Any:
        """The LanceDB table at its newest version; created where there is none."""
        if self._table is None:
            self._table = committed(self.uri, lambda: _with_later_columns(self.lake))
        self._table.checkout_latest()
        return self._table

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Raise an error with the next step when the lake is full or not writable."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if is_of_full_disk(error, self.lake.local_root):
                raise FullDiskError(self.lake.local_root) from error
            raise StoreWriteError(
                f"the images could not be written to {self.lake.root} ({error}); free some space there or point "
                "ARTPIPE_LAKE elsewhere, then run again: earlier batches are kept."
            ) from error


def _with_later_columns(lake: DataLake) -> Any:
    """The table, created where there is none, with the columns that one of an older lake lacks."""
    if open_lance(lake.lance_table(IMAGES_TABLE)) is None:
        create_table(lake, IMAGES_TABLE, IMAGES_SCHEMA.empty_table())
    table = open_keyed(lake, IMAGES_TABLE)
    lacking = [name for name in LATER_COLUMNS if name not in table.schema.names]
    if lacking:
        table.add_columns([IMAGES_SCHEMA.field(name) for name in lacking])
    return table

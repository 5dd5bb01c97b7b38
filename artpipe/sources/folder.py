"""A folder of pictures: what their files, the names of their folders and a table beside them say.

`folder_index` looks at the files; `picture_metadata` reads what is written inside them.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from urllib.parse import unquote

import polars as pl
from pydantic import Field, field_validator

from artpipe.catalog.rows import LABEL_PREFIX, SourceRows, source_rows
from artpipe.sources.contract import Source
from artpipe.sources.fields import TaskName
from artpipe.sources.folder_index import Picture, UnreadableFolderError, index_folder, read_index
from artpipe.sources.makers import read_maker
from artpipe.sources.places import Place
from artpipe.sources.remarks import Remarks
from artpipe.sources.rights import is_open, rights_statement
from artpipe.sources.table import Table

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

TABLE = "table"
SKIPPED = "_"
COLUMNS = ("artist", "title", "date_text", "medium", "classification", "location", "school")
"""What the name of a folder may be, besides a label."""


class FolderSource(Source):
    """A folder of pictures, each a work."""

    adapter: Literal["folder"] = "folder"
    path: Place = Field(description="the folder, with folders in it; relative paths count from the file of sources")
    labels_from: tuple[Literal["_"] | TaskName, ...] = Field(
        default=(),
        description="what the names of folders are, from the outermost: tasks, or `artist`, `title`, `date_text`, "
        "`medium`, `classification`, `location`, `school`; `_` is nothing",
    )
    labels: Mapping[TaskName, Literal["folder"]] = Field(
        default={}, description="`TASK: folder`: the label is the name of the picture's own folder"
    )
    metadata: bool = Field(
        default=True,
        description="`false`: what is written inside the files (EXIF, IPTC, XMP) does not count",
    )
    is_open: bool | None = Field(
        default=None,
        description="`true` or `false`: whether anybody may use the pictures, all of them, whatever their files say",
    )
    table: Table | None = Field(
        default=None,
        description="a table of the works, with the keys of the adapter `table`; its `source_id` names a file by path "
        "or name, with or without ending, whatever the case",
    )

    @field_validator("path")
    @classmethod
    def _is_here(cls, path: str) -> str:
        if "://" in path:
            raise ValueError(f"{path!r} is not on this machine; copy or mount the folder, or name its files in a table")
        return path

    @field_validator("table", mode="before")
    @classmethod
    def _table_has_a_name(cls, value: object) -> object:
        given = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None
        if given is not None and "headers" in given:
            raise ValueError("give `headers` beside `adapter: folder`; they are sent to the hosts of the table")
        return value if given is None else {"name": TABLE, "adapter": "table", **given}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Those of the table; the pictures are on this machine."""
        return self.table.hosts if self.table else ()

    @property
    def local_folders(self) -> tuple[Path, ...]:
        """The folder, whose pictures are read where they are."""
        return (Path(self.path),)

    def trial(self, records: int) -> Self:
        """The folder with its table, whose APIs are asked about the first records only."""
        return self.model_copy(update={"table": self.table.trial(records)}) if self.table else self

    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Look at the files that changed, and copy the table.

        Raises:
            UnreadableFolderError: the folder is not there, or has no pictures.
            ArtpipeError: the table cannot be read.
        """
        if self.table:
            self.table.download(client, folder / TABLE, progress)
        index_folder(Path(self.path), folder, progress)

    def read(self, folder: "UPath") -> SourceRows:
        """The pictures as rows; what cannot be read is in quarantine.

        Raises:
            UnreadableFolderError: the folder was not looked at yet.
        """
        index = read_index(folder)
        if index is None:
            raise UnreadableFolderError(f"{folder} has no list of {self.path}; run `artpipe refresh`, which makes one.")
        remarks = Remarks()
        rows: list[dict[str, Any]] = []
        quarantine: list[tuple[int, str, str]] = []
        for number, picture in enumerate(index.pictures, start=1):
            if picture.problem is None:
                rows.append({"row_number": number, **self._row(picture, remarks)})
            else:
                quarantine.append((number, picture.problem, picture.path))
        found = source_rows(rows, quarantine, self._tasks, index.notes)
        if self.table is None:
            return replace(found, notes=(*found.notes, *remarks.sentences()))
        table = self.table.read(folder / TABLE)
        joined = _with_table(found.rows, table.rows, remarks)  # which adds to the remarks
        notes = (*found.notes, *remarks.sentences(), *table.notes)
        return SourceRows(joined, pl.concat([found.quarantine, table.quarantine]), notes)

    @property
    def _tasks(self) -> tuple[str, ...]:
        """The tasks that the names of folders are labels of."""
        return (*(name for name in self.labels_from if name not in (*COLUMNS, SKIPPED)), *self.labels)

    def _row(self, picture: Picture, remarks: Remarks) -> dict[str, Any]:
        *folders, file = picture.path.split("/")
        named = {name: label for name, label in zip(self.labels_from, map(_readable, folders), strict=False) if label}
        if len(folders) < len(self.labels_from):
            remarks.add(f"pictures in fewer than {len(self.labels_from)} folders (`labels_from`)", picture.path)
        written = picture.written if self.metadata else {}
        creators = [named["artist"]] if "artist" in named else written.get("creators", [])
        rights = [text for key in ("rights_uri", "rights") for text in written.get(key, [])]
        statement = next((uri for text in rights if (uri := rights_statement(text))), None)
        if folders:
            named |= dict.fromkeys(self.labels, _readable(folders[-1]))
        title = named.get("title") or next(iter(written.get("title", [])), None) or _readable(file.rpartition(".")[0])
        return {
            "source_id": picture.path,
            "work_id": picture.path,
            "title": title,
            "artists": [read_maker(creator) for creator in creators],
            **{name: named.get(name) for name in COLUMNS if name not in ("artist", "title")},
            # A picture that changed makes another row, so that it is looked at again.
            "modified": f"sha256:{picture.sha256[:16]}" if picture.sha256 else None,
            "images": [
                {
                    "url": f"{Path(self.path, picture.path).as_uri()}#{(picture.sha256 or '')[:16]}",
                    "width_px": picture.width_px,
                    "height_px": picture.height_px,
                }
            ],
            "rights_uri": statement,
            "is_open": is_open(statement) if self.is_open is None else self.is_open,
            "credit_line": next(iter(written.get("rights", [])), None),
            **{f"{LABEL_PREFIX}{task}": [named[task]] if task in named else [] for task in self._tasks},
        }


def _readable(name: str) -> str:
    """The name of a file or a folder as people write it."""
    return unicodedata.normalize("NFC", " ".join(unquote(name, errors="ignore").replace("_", " ").split()))


def _with_table(pictures: pl.DataFrame, table: pl.DataFrame, remarks: Remarks) -> pl.DataFrame:
    """The pictures with what the table says of their files, which goes before what the files say.

    A file is named by its path, its name, or either without its ending, whatever the case.
    """
    paths = pictures["source_id"].to_list()
    by_name: dict[str, set[str]] = {}
    for path in paths:
        for name in _names(path):
            by_name.setdefault(name, set()).add(path)
    record_of: dict[str, int] = {}
    for place, given in enumerate(table["source_id"].to_list()):
        found = by_name.get(_folded(given.replace("\\", "/").removeprefix("./")), set())
        if len(found) > 1:
            remarks.add("rows of the table name several files, and are left out; give paths", given)
        elif not found:
            remarks.add("rows of the table name no picture, and are left out", given)
        elif (path := next(iter(found))) in record_of:
            remarks.add("rows of the table name a picture a second time, and are left out", given)
        else:
            record_of[path] = place
    remarks.add(
        "pictures are not in the table",
        next((path for path in paths if path not in record_of), ""),
        len(paths) - len(record_of),
    )
    places = pl.Series("_place", [record_of.get(path) for path in paths], dtype=pl.UInt32)
    # What is the picture's own stays; the table's identity is the name of the file.
    said = table.select(pl.exclude("row_number", "source_id", "images", "modified")).with_row_index("_place")
    joined = pictures.with_columns(places).join(said, on="_place", how="left", suffix=":table", maintain_order="left")

    def filled(name: str) -> pl.Expr:
        """The table's value of a column, else the picture's."""
        if f"{name}:table" not in joined.columns:
            return pl.col(name)
        value = pl.col(f"{name}:table")
        is_given = (
            value.list.len() > 0
            if joined.schema[name] == joined.schema[f"{name}:table"] and isinstance(joined.schema[name], pl.List)
            else value.is_not_null()
        )
        return pl.when(is_given).then(value).otherwise(pl.col(name)).alias(name)

    labels = [name for name in table.columns if name.startswith(LABEL_PREFIX) and name not in pictures.columns]
    return joined.select(*(filled(name) for name in pictures.columns), *(pl.col(name).fill_null([]) for name in labels))


def _folded(name: str) -> str:
    """A name without differences that people do not see; some systems write an accent as a character of its own."""
    return unicodedata.normalize("NFC", name).casefold()


def _names(path: str) -> Iterable[str]:
    """What a table may call a file."""
    name = path.rpartition("/")[2]
    return {_folded(text) for each in (path, name) for text in (each, each.rpartition(".")[0]) if text}

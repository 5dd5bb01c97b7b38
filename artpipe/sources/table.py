"""The adapter `table`: CSV, TSV, JSON, JSON Lines or Parquet, here or on the web, mapped to rows.

`download` keeps the files byte for byte in the source's folder; `read` reads them from there.
"""

import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field, field_validator, model_validator

from artpipe.catalog.rows import LABEL_PREFIX, SourceRows
from artpipe.catalog.spilled import SpilledFrame
from artpipe.lake.paths import remove_file
from artpipe.schema import QUARANTINE
from artpipe.sources.answer_pages import Pages, refuse_endless
from artpipe.sources.answers import Answers, ReadAnswers, ask_about
from artpipe.sources.contract import Source
from artpipe.sources.download import copy_file, download_file, metadata_file
from artpipe.sources.fields import WebAddress
from artpipe.sources.joins import JoinedTable, Joins, TableFiles, downloaded_files
from artpipe.sources.mapping import TEXTS, Columns, Conditions, Labels, as_text, holds
from artpipe.sources.places import file_name, files_at, is_web
from artpipe.sources.record_mapper import RecordMapper
from artpipe.sources.record_paths import FILE
from artpipe.sources.records import FORMATS, NoRecordsError, Quarantined, RecordReader
from artpipe.sources.repeated_ids import joined_rows, with_unique_ids
from artpipe.sources.text import CHUNK_BYTES, refuse_other_than_table
from artpipe.tasks import NAME

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress, Step

MAIN = "records"
"""The folder of the table with the works; each joined table has its own beside it."""
MAX_FILE_BYTES = 4_000_000_000


class Table(Source, TableFiles):
    """A table of works: files of records whose columns are mapped to fields."""

    adapter: Literal["table"]
    pages: Pages | None = Field(default=None, description="how the pages of a JSON API follow each other")
    tables: Mapping[str, JoinedTable] = Field(default={}, description="further tables, joined by a key")
    answers: Mapping[str, Answers] = Field(default={}, description="APIs that are asked about each record")
    columns: Columns = Field(description="which columns are what")
    labels: Labels = Field(default={}, description="the labels of each task")
    extra: tuple[str, ...] = Field(default=(), description="further columns to keep")
    where: Conditions = Field(default={}, description="conditions that a record must meet to be read")
    rows_of_a_work: Literal["one", "joined"] = Field(
        default="one",
        description="`joined`: rows with one id are one work with the makers, pictures and labels of all",
    )
    base_url: WebAddress | None = Field(default=None, description="what relative image addresses are below")

    @field_validator("tables", "answers")
    @classmethod
    def _are_folders(cls, named: Mapping[str, JoinedTable | Answers]) -> Mapping[str, JoinedTable | Answers]:
        """Each has a folder beside that of the works, and a path of the mapping begins with its name."""
        for name in named:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be a name; it begins with a-z and has a-z, 0-9 and _, 40 at most")
            if name == MAIN:
                raise ValueError(f"{name!r} is what the table of works itself is called; choose another name")
        return named

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for name in self.answers:
            if name in self.tables:
                raise ValueError(f"both `tables` and `answers` have the name {name!r}; rename one of them")
        return self

    @model_validator(mode="after")
    def _joins_are_known(self) -> Self:
        for name, table in self.tables.items():
            head = (table.to or "").partition(".")[0]
            if "." in (table.to or "") and (head not in self.tables or head == name):
                raise ValueError(f"tables.{name}.to names {table.to!r}, but there is no other table {head!r}")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the files that are on the web."""
        places = [place for place in self._places.values() if is_web(place)]
        hosts = [urlsplit(place).netloc.rpartition("@")[2].lower() for place in places]
        return tuple(dict.fromkeys((*hosts, *(asked.host for asked in self.answers.values()))))

    @property
    def _places(self) -> dict[str, str]:
        return {MAIN: self.path, **{name: table.path for name, table in self.tables.items()}}

    def trial(self, records: int) -> Self:
        """The table, whose APIs are asked about the first records only."""
        few = {name: asked.model_copy(update={"at_most": records}) for name, asked in self.answers.items()}
        return self.model_copy(update={"answers": few})

    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Copy the files, those on the web by conditional requests; what vanished at the source is removed."""
        places = {name: [place] if is_web(place) else files_at(place, FORMATS) for name, place in self._places.items()}
        targets: list[UPath] = []
        with progress.track(f"{self.name}: files", sum(map(len, places.values())), "files") as step:
            for name, files in places.items():
                for number, file in enumerate(files):
                    target = folder / name / f"{number:05}-{file_name(str(file))}"
                    if not isinstance(file, str):
                        _copy(file, target)
                    elif self.pages is not None and name == MAIN:
                        targets += self._download_pages(client, file, folder / name, self.pages, step)
                    else:
                        _fetch(client, file, target)
                    targets.append(target)
                    step.advance()
        kept = {str(file) for target in targets for file in (target, metadata_file(target))}
        for name in self._places:
            for file in [*(folder / name).iterdir()]:
                if str(file) not in kept:
                    remove_file(file)
        for name, asked in self.answers.items():
            wanted = dict(islice(self._to_ask(folder, asked).items(), asked.at_most))
            ask_about(client, wanted, folder / name, f"{self.name}: {name}", progress)

    def _download_pages(
        self, client: "GalleryClient", url: str, folder: "UPath", pages: Pages, step: "Step"
    ) -> "Iterator[UPath]":
        """Fetch page after page."""
        seen: list[str] = []
        following: str | None = url
        while following is not None:
            url = following
            refuse_endless(url, pages, seen)
            target = folder / f"{len(seen):05}-{file_name(url)}"
            _fetch(client, url, target)
            following = pages.following(url, len(seen), target, self.records)
            seen.append(url)
            step.advance()
            yield target

    def _to_ask(self, folder: "UPath", asked: Answers) -> dict[str, str | None]:
        """The addresses to ask about the records, each with what tells that its record changed."""
        plain = {path: one for path, one in self.where.items() if path.partition(".")[0] not in self._joined_names}
        needed = dict.fromkeys(asked.paths, "answers") | dict.fromkeys(plain, "where")
        wanted: dict[str, str | None] = {}
        with _scratch() as scratch:
            reader = RecordReader(self.form, needed, scratch)
            for file in downloaded_files(folder / MAIN):
                for batch in reader.batches(file, file.name.partition("-")[2]):
                    kept = batch.filter(holds(batch, plain))
                    urls = asked.addresses(kept)
                    changed = [None] * kept.height if asked.changed is None else as_text(kept[asked.changed])
                    wanted |= {url: value for url, value in zip(urls, changed, strict=True) if url}
        return wanted

    @property
    def _joined_names(self) -> set[str]:
        return {*self.tables, *self.answers}

    def read(self, folder: "UPath") -> SourceRows:
        """The rows of the downloaded files."""
        mapper = RecordMapper(self.columns, self.labels, self.extra, self.where, self.base_url)
        quarantine: list[Quarantined] = []
        rows = SpilledFrame()
        ids: list[pl.DataFrame] = []
        with _scratch() as scratch:
            asked = [
                (one, ReadAnswers(one, folder / name, name, paths, mapper.remarks))
                for name, one in self.answers.items()
                if (paths := [path for path in mapper.paths if path.startswith(f"{name}.")])
            ]
            of_answers = {path for path in mapper.paths if path.partition(".")[0] in self.answers}
            paths = {path: place for path, place in mapper.paths.items() if path not in of_answers}
            paths |= {path: "answers" for one, _ in asked for path in one.paths if path not in paths}
            joins = Joins(self.tables, paths, folder, scratch, quarantine)
            reader = RecordReader(self.form, joins.wanted_of_records, scratch, quarantine=quarantine)
            files = downloaded_files(folder / MAIN)
            batches = map(joins.joined, _of_all_files(reader, files))
            for _, answers in asked:
                batches = map(answers.joined, batches)
            for batch in map(mapper.rows, batches):
                rows.add(batch.drop(FILE))
                ids.append(batch.select("source_id", "row_number", file=FILE))
        if not rows.height:
            raise NoRecordsError(self._why_no_rows(files, quarantine, mapper))
        names = [file.name.partition("-")[2] for file in files]
        of_rows = pl.concat(ids)
        if self.rows_of_a_work == "joined":
            rows, several = joined_rows(rows, of_rows["source_id"])
            is_kept = pl.col("source_id").is_first_distinct() | pl.col("source_id").is_null()
            of_rows = of_rows.filter(is_kept)
            mapper.remarks.add("works whose several rows are joined", f"{names[0]}", several)
        rows, unusable = with_unique_ids(rows, of_rows, names)
        if not rows.height:
            raise NoRecordsError(f"{self.name}: no row has an id of its own; check columns.source_id.")
        table = pl.DataFrame(quarantine, schema=QUARANTINE, orient="row")
        return SourceRows(rows, pl.concat([table, unusable]), tuple(self._notes(rows, mapper)))

    def _why_no_rows(self, files: "list[UPath]", quarantine: list[Quarantined], mapper: RecordMapper) -> str:
        what = files[0].name.partition("-")[2] if len(files) == 1 else f"{self.name} ({len(files)} files)"
        if mapper.left_out:
            return f"{what}: `where` leaves out all of its {mapper.left_out:,} records; check its columns and values."
        if quarantine:
            return f"{what}: none of its {len(quarantine):,} records can be read; the first: {quarantine[0].reason}."
        return f"{what} has a header or an empty list, and no record; check that it is the file that you mean."

    def _notes(self, rows: SpilledFrame, mapper: RecordMapper) -> Iterator[str]:
        if mapper.left_out:
            yield f"{mapper.left_out:,} records are left out by `where`."
        yield from mapper.remarks.sentences()
        for name, asked in self.answers.items():
            if asked.at_most is not None:
                limit = "`at_most`, or `--first` of `artpipe sources check`"
                yield f"answers.{name}: asked about the first {asked.at_most:,} records only ({limit})."
        lists = ["images", *(f"{LABEL_PREFIX}{task}" for task in self.labels)]
        counts = rows.scan().select(pl.col(lists).list.len().sum()).collect().row(0, named=True)
        for task in self.labels:
            if not counts[f"{LABEL_PREFIX}{task}"]:
                column = ", ".join(self.labels[task].paths)
                yield f"labels.{task}: no row has a label ({column} is empty, or nothing is left of it); check it."
        if self.columns.images and not counts["images"]:
            yield "images: no row has a picture; check columns.images."


@contextmanager
def _scratch() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="artpipe-table-") as folder:
        yield Path(folder)


def _of_all_files(reader: RecordReader, files: "Iterable[UPath]") -> Iterator[pl.DataFrame]:
    """The records of several files with the place of each, those of small files together."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for place, file in enumerate(files):
        for batch in reader.batches(file, file.name.partition("-")[2]):
            waiting.append(batch.with_columns(pl.lit(place, pl.UInt32).alias(FILE)))
            height += batch.height
            if height >= reader.batch_rows:
                yield _together(waiting)
                waiting, height = [], 0
    if waiting:
        yield _together(waiting)


def _together(batches: list[pl.DataFrame]) -> pl.DataFrame:
    """Batches as one; a column that is a list of texts in one of them is so in all."""
    lists = {name for batch in batches for name, kind in batch.schema.items() if kind == TEXTS}

    def alike(batch: pl.DataFrame) -> pl.DataFrame:
        texts = [name for name in batch.columns if name in lists and batch.schema[name] != TEXTS]
        return batch.with_columns(pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name)) for name in texts)

    return pl.concat(map(alike, batches)) if len(batches) > 1 else batches[0]


def _fetch(client: "GalleryClient", url: str, target: "UPath") -> None:
    def check(start: bytes) -> None:
        refuse_other_than_table(start, url)

    download_file(client, url, target, check, checked_bytes=CHUNK_BYTES, max_body_bytes=MAX_FILE_BYTES)


def _copy(file: "UPath", target: "UPath") -> None:
    copy_file(file, target, lambda start: refuse_other_than_table(start, str(file)), checked_bytes=CHUNK_BYTES)

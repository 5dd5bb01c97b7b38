"""A file of sources for a table that nobody described yet: which column is what, guessed by its name and its values.

A person reads the file and corrects it; every guess shows a value of the table.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import polars as pl
import yaml
from upath import UPath

from artpipe.sources.guess_names import ARTIST, FIELDS, LABELS, OPENNESS, named
from artpipe.sources.mapping import as_text
from artpipe.sources.record_paths import NUMBER
from artpipe.sources.records import NoRecordsError, RecordReader, TableForm

SAMPLE_ROWS = 500
_SEPARATORS = ("|", ";", " / ")
_SOUNDS_STORED = r"(?i)depot|magazin|\blager|storage|\bstores?\b|r[ée]serve|dep[óo]sito"
_SOUNDS_OPEN = r"(?i)cc.?0|public.?domain|\bpdm?\b|cc.?by\b|domaine public|dominio p|gemeinfrei|^true$|^yes$|^1$"
_SOUNDS_RESTRICTED = r"(?i)\b(nc|nd)\b|non.?comm"
_MOST_RIGHTS, _LONGEST_RIGHTS = 8, 100
_YEAR_OR_DAY = r"^-?\d{1,4}(\.0|-\d\d-\d\d.*)?$"
_TIME_STAMP = r"^-?\d{4}-\d\d-\d\d"
_MOST_CLASSES = 60
_MOST_FURTHER = 20
_HEAD = (
    "# Sources of the collection; see docs/sources.md for every key.",
    "# What is below was guessed by names and values: read this file, correct it, then run",
    "#   artpipe sources check FILE",
    "sources:",
)
_NO_TABLE = "    # table: {path: works.csv, columns: {source_id: file}}  # a table beside the pictures"


def sources_yaml(files: Sequence[UPath], place: str, name: str, scratch: Path) -> str:
    """The text of a file of sources for one table.

    Args:
        files: of the table; what the first says holds for all, unless each is a record by itself.
        place: where it is, as the file of sources should say it.
        name: of the source.
        scratch: a folder for copies.
    """
    records = _records_of_their_own(files)
    file = files[0]
    label = file.name.partition("-")[2] or file.name
    if records:
        file = UPath(scratch / "records.json")
        file.write_text(json.dumps(records), "utf-8")
    reader = RecordReader(TableForm(), {}, scratch)
    reader.wanted = dict.fromkeys(reader.columns(file, label), "the guess")
    reader.batch_rows = SAMPLE_ROWS
    batch = next(reader.batches(file, label), None)
    if batch is None or batch.is_empty() or batch.width == 1:
        raise NoRecordsError(f"{label} has no record that can be read; check that it is the file that you mean.")
    return "\n".join(_Guess(batch.drop(NUMBER)).lines(place, name, "." if records else None)) + "\n"


def folder_yaml(pictures: Sequence[Path], place: str, name: str) -> str:
    """The text of a file of sources for a folder of pictures.

    Args:
        pictures: their paths below the folder.
        place: where the folder is, as the file of sources should say it.
        name: of the source.
    """
    lines = [*_HEAD, f"  - name: {name}", "    adapter: folder", f"    path: {_scalar(place)}"]
    in_folders = [picture.parts[0] for picture in pictures if len(picture.parts) > 1]
    if len(set(in_folders)) > 1 and len(in_folders) > len(pictures) / 2:
        lines += [f"    labels_from: [style]  # what the folders are, such as {json.dumps(in_folders[0])}", "tasks:"]
        lines += ["  - {name: style, min_works: 20}"]
    else:
        lines += ["    # labels_from: [style]  # what the names of folders are, from the outermost", _NO_TABLE]
    return "\n".join(lines) + "\n"


def _records_of_their_own(files: Sequence[UPath]) -> list[dict[str, object]]:
    """The records of a table of which each file is one, or none: it has an id and a title at its top."""
    records: list[dict[str, object]] = []
    for file in files[:SAMPLE_ROWS] if len(files) > 1 else ():
        try:
            data = json.loads(file.read_bytes())
        except ValueError:
            return []
        if not isinstance(data, dict):
            return []
        record = cast("dict[str, object]", data)
        if any(named(record, FIELDS[field]) is None for field in ("source_id", "title")):
            return []
        records.append(record)
    return records


class _Guess:
    """What the first rows of a table say.

    Args:
        sample: them, a text or a list of texts in each column.
    """

    def __init__(self, sample: pl.DataFrame) -> None:
        self.sample = sample
        texts = pl.DataFrame({column: as_text(sample[column]) for column in sample.columns})
        self.texts = texts.with_columns(pl.when(pl.all().str.contains(r"\S")).then(pl.all()))
        self.columns = [column for column in sample.columns if not _describes_a_value(column, sample.columns)]
        self.flat = [column for column in self.columns if "[]" not in column]
        self.addresses = [column for column in self.columns if self._share(column, r"^https?://") > 0.5]
        self.pictures = [
            column for column in self.addresses if self._share(column, r"(?i)\.(jpe?g|png|tiff?|webp|gif)(\?|$)") > 0.5
        ]
        self.fields = self._fields()
        self.artist = self._artist()
        self.service = self._image_service()
        self.labels = self._labels()

    # Which column is what

    def _fields(self) -> dict[str, str]:
        """The column of each field that could be recognised."""
        found: dict[str, str] = {}
        for field, names in FIELDS.items():
            free = [column for column in self.flat if column not in found.values()]
            if column := self._field(field, names, free):
                found[field] = column
        return found

    def _field(self, field: str, names: str, free: list[str]) -> str | None:
        addresses = [column for column in free if column in self.addresses]
        if field == "source_id":
            distinct = {column: self.texts[column].drop_nulls().n_unique() / len(self.texts) for column in free}
            title = named(free, FIELDS["title"])
            whole = (column for column in free if distinct[column] == 1 and column != title)
            several = [column for column in free if self._stands_in_several_rows(column, free)]
            sure = named([column for column in free if distinct[column] > 0.7], names)
            return sure or named(several, names) or next(whole, None)
        if field == "artists":
            return named(free, names) or self._named_in_lists(names)
        if field == "images":
            pictures = [column for column in addresses if column in self.pictures]
            of_web_size = [column for column in pictures if "web" in column] or pictures
            in_lists = [column for column in self.pictures if "[]" in column]
            named_so = named([column for column in free if self._share(column, r"[./]") > 0.5], names)
            return named(addresses, names) or next(iter(of_web_size or in_lists), None) or named_so
        if field == "landing_url":
            return named([column for column in addresses if column not in self.pictures], names)
        if field == "rights_uri":
            return named(addresses, names)
        if field in ("year_from", "year_to"):
            return named(
                [column for column in free if self._share(column, r"^-?\d{1,4}(\.0|-\d\d-\d\d.*)?$") > 0.5], names
            )
        first = [column for column in self.columns if column.count("[]") == 1 and not column.endswith("[]")]
        return named(free, names) or named(first if field in ("title", "date_text") else [], names)

    def _stands_in_several_rows(self, column: str, free: Iterable[str]) -> bool:
        """Whether rows with one value of a column are rows of one work: they have the same title."""
        title = named([other for other in free if other != column], FIELDS["title"])
        if title is None or self.texts[column].null_count() or not self.texts[column].is_duplicated().any():
            return False
        return self.texts.select(column, title).n_unique() == self.texts[column].n_unique()

    def _named_in_lists(self, names: str) -> str | None:
        """The path to the names of makers in nested records, such as `creators[].name`."""
        heads = {column: column.rpartition("[]")[0] for column in self.columns if "[]." in column}
        is_name = (".name", ".names")
        makers = [column for column, head in heads.items() if named([head], names) or head.endswith(is_name)]
        last = {re.sub(r"\W|_", "", column.rpartition(".")[2].lower()): column for column in makers}
        return next((last[key] for key in ("name", "fullname", "title", "content", "description") if key in last), None)

    def _artist(self) -> dict[str, str]:
        """The columns of what is said of a maker besides the name."""
        name = self.fields.get("artists")
        if name is None:
            return {}
        head = name.rpartition("[]")[0]
        taken = self.fields.values()
        beside = [column for column in self.columns if column.rpartition("[]")[0] == head and column not in taken]
        found = {key: named(beside, names.own if head else names.flat) for key, names in ARTIST.items()}
        return {key: column for key, column in found.items() if column}

    def _image_service(self) -> str | None:
        """The column of base addresses of IIIF image services."""
        return next(
            (column for column in self.addresses if re.search(r"(?i)iiif.*(base|image|service|uri)", column)), None
        )

    def _labels(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for task, names in LABELS.items():
            column = named(self.columns, names)
            if column and column not in found.values() and 1 < self.texts[column].n_unique() <= _MOST_CLASSES:
                found[task] = column
        return found

    # How it is written

    def lines(self, place: str, name: str, records: str | None) -> Iterator[str]:
        """The file of sources, line by line."""
        yield from _HEAD
        yield f"  - name: {name}"
        yield "    adapter: table"
        yield f"    path: {_scalar(place)}"
        if records:
            yield f"    records: {_scalar(records)}  # each file is one record"
        source_id = self.fields.get("source_id")
        if source_id and self._stands_in_several_rows(source_id, self.flat):
            yield "    rows_of_a_work: joined  # an id stands in several rows: makers, pictures and labels are joined"
        yield "    columns:"
        for field in FIELDS:
            yield from self._field_lines(field)
        if "source_id" not in self.fields:
            yield "      # source_id: ...  # needed: no column has another value in every row"
        yield f"      # is_open: {self._rule_of_openness()}  # which works may anybody use? `true` for all"
        images = self.fields.get("images")
        if images and not self.service and images not in self.addresses:
            yield "    base_url: https://...  # the addresses of the pictures are relative: what are they below?"
            yield "    # pictures on this machine are read by the adapter `folder`, see docs/sources_folder.md"
        if self.labels:
            yield "    labels:"
            for task, column in self.labels.items():
                yield f"      {task}: {self._several(column) or self._value(column)}{self._example(column)}"
        else:
            yield "    # labels:"
            yield "    #   style: COLUMN  # what the classifier learns to predict"
        used = {*self.fields.values(), *self.labels.values(), *self.artist.values(), self.service}
        if rest := [column for column in self.flat if column not in used][:_MOST_FURTHER]:
            yield f"    # extra: [{', '.join(map(_scalar, rest))}]  # further columns to keep"
        if self.labels:
            yield "tasks:"
            for task in self.labels:
                yield f"  - {{name: {task}, min_works: 20}}"

    def _field_lines(self, field: str) -> Iterator[str]:
        column = self.fields.get(field)
        if field == "images" and self.service:
            yield f"      images: {{service: {_scalar(self.service)}}}{self._example(self.service)}"
        elif column is None:
            if field in ("title", "artists", "date_text", "images"):
                yield f"      # {field}: ...  # no column was recognised"
        elif field == "artists":
            several = self._several(column)
            is_list = several is None and self._are_lists_with_commas(column, self.artist.get("artist_id"))
            name = f"{{column: {_scalar(column)}, split: ', '}}" if is_list else several
            if not self.artist:
                yield f"      artists: {f'{{name: {name}}}' if name else _scalar(column)}{self._example(column)}"
                return
            yield "      artists:"
            yield f"        name: {name or _scalar(column)}{self._example(column)}"
            for key, beside in self.artist.items():
                value = self._year(beside) if key in ("born", "died") else _scalar(beside)
                if key == "artist_id" and is_list:
                    value = f"{{column: {_scalar(beside)}, split: ', '}}"
                yield f"        {key}: {value}{self._example(beside)}"
        elif field in ("year_from", "year_to", "date_text"):
            yield f"      {field}: {self._year(column, field)}{self._example(column)}"
        elif field == "location" and self._share(column, _SOUNDS_STORED) > 0:
            yield f"      # location: {self._value(column)}  # it names stores, and the pages would show them"
        elif field == "source_id" and (end := self._end_of_address(column)):
            yield f"      source_id: {end}{self._example(column)}"
        else:
            value = _scalar(column) if field == "images" else self._value(column)
            yield f"      {field}: {value}{self._example(column)}"

    def _value(self, column: str) -> str:
        """A column as one value: the first of a list, without brackets around all of it."""
        path = _scalar(column.replace("[]", "[0]"))
        return f"{{column: {path}, strip: '()'}}" if self._share(column, r"^\([^()]*\)") > 0.5 else path

    def _end_of_address(self, column: str) -> str | None:
        """The mapping of ids that are addresses: what is behind the last slash, where that tells them apart."""
        if column not in self.addresses:
            return None
        ends = self.texts[column].str.extract(r"([^/]+)$", 1)
        tells = not ends.null_count() and ends.n_unique() == self.texts[column].n_unique()
        return f"{{column: {_scalar(column)}, regex: '[^/]+$'}}" if tells else None

    def _year(self, column: str, field: str = "") -> str:
        """A column as a year, which is the first number where it holds more."""
        path = column.replace("[]", "[0]") if field else column
        is_plain = self._share(column, r"^-?\d{1,4}(\.0)?$") > 0.9
        if is_plain or (field == "date_text" and self._share(column, _TIME_STAMP) < 0.5):
            return _scalar(path)
        return f"{{column: {_scalar(path)}, regex: '(-?\\d{{4}})'}}"

    def _several(self, column: str) -> str | None:
        """The mapping of a column whose cells have several values between separators."""
        if self.sample[column].dtype != pl.String():
            return None
        separators = [f"'{one}'" for one in _SEPARATORS if self._share(column, re.escape(one)) > 0.02]
        split = separators[0] if len(separators) == 1 else f"[{', '.join(separators)}]"
        return f"{{column: {_scalar(column)}, split: {split}}}" if separators else None

    def _are_lists_with_commas(self, names: str, ids: str | None) -> bool:
        """Whether cells have as many names of makers as ids, with commas between; one may be part of a name."""
        if ids is None or self.sample[names].dtype != pl.String() or self._share(ids, ", ") < 0.02:
            return False
        filled = self.texts.filter(pl.col(ids).is_not_null() & pl.col(names).is_not_null())
        commas = filled.select(pl.col(column).str.count_matches(", ", literal=True) for column in (names, ids))
        return (commas[names] == commas[ids]).sum() > 0.9 * commas.height

    def _rule_of_openness(self) -> str:
        """A rule for `is_open`: the column that may say it, and its values that sound open."""
        column = named(self.flat, OPENNESS)
        if column is None:
            return "{COLUMN: CC0}"
        values = self.texts[column].drop_nulls().unique(maintain_order=True)
        is_open = values.str.contains(_SOUNDS_OPEN) & ~values.str.contains(_SOUNDS_RESTRICTED)
        found = [_scalar(value) for value in values.filter(is_open) if len(value) <= _LONGEST_RIGHTS][:_MOST_RIGHTS]
        said = f"[{', '.join(found)}]" if len(found) > 1 else (found or ["VALUE"])[0]
        return f"{{{_scalar(column)}: {said}}}"

    def _example(self, column: str) -> str:
        values = self.texts[column].drop_nulls()
        if values.is_empty():
            return "  # empty in the first rows"
        shown = re.sub(r"\s+", " ", values[0])[:60]
        return f"  # such as {json.dumps(shown, ensure_ascii=False)}"

    def _share(self, column: str, pattern: str) -> float:
        """How many of the filled cells a pattern is found in, from 0 to 1."""
        filled = self.texts[column].drop_nulls()
        return int(filled.str.contains(pattern).sum()) / max(len(filled), 1)


def _describes_a_value(column: str, columns: Iterable[str]) -> bool:
    """Whether a column says of what kind the value beside it is, as in the answers of SPARQL."""
    head, _, last = column.rpartition(".")
    beside = {"type": "value", "datatype": "value", "xml:lang": "value", "label": "content"}.get(last)
    return beside is not None and f"{head}.{beside}" in columns


def _scalar(text: str) -> str:
    """A text as YAML, quoted where it has to be."""
    is_plain = re.fullmatch(r"[\w/.][\w ./:?=&%*~-]*", text) and ": " not in text and " #" not in text
    return (
        text
        if is_plain and not text.endswith(" ") and yaml.safe_load(text) == text
        else json.dumps(text, ensure_ascii=False)
    )

"""A file of sources for a table that nobody described yet: which column is what, guessed by its name and its values.

A person reads the file and corrects it; every guess shows a value of the table.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import yaml

from artpipe.sources.guess_names import ARTIST, FIELDS, LABELS, OPENNESS, named
from artpipe.sources.mapping import as_text
from artpipe.sources.record_paths import NUMBER
from artpipe.sources.records import NoRecordsError, RecordReader, TableForm

if TYPE_CHECKING:
    from upath import UPath

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


def sources_yaml(file: "UPath", place: str, name: str, scratch: Path) -> str:
    """The text of a file of sources for one table.

    Args:
        file: the table.
        place: where it is, as the file of sources should say it.
        name: of the source.
        scratch: a folder for copies.
    """
    label = file.name.partition("-")[2] or file.name
    reader = RecordReader(TableForm(), {}, scratch)
    reader.wanted = dict.fromkeys(reader.columns(file, label), "the guess")
    reader.batch_rows = SAMPLE_ROWS
    batch = next(reader.batches(file, label), None)
    if batch is None or batch.is_empty() or batch.width == 1:
        raise NoRecordsError(f"{label} has no record that can be read; check that it is the file that you mean.")
    return "\n".join(_Guess(batch.drop(NUMBER)).lines(place, name)) + "\n"


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
            return named([column for column in free if distinct[column] > 0.7], names) or next(whole, None)
        if field == "artists":
            return named(free, names) or self._named_in_lists(names)
        if field == "images":
            pictures = [column for column in addresses if column in self.pictures]
            of_web_size = [column for column in pictures if "web" in column] or pictures
            in_lists = [column for column in self.pictures if "[]" in column]
            return named(addresses, names) or next(iter(of_web_size or in_lists), None) or named(free, names)
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

    def _named_in_lists(self, names: str) -> str | None:
        """The path to the names of makers in nested records, such as `creators[].name`."""
        heads = {column: column.rpartition("[]")[0] for column in self.columns if "[]." in column}
        makers = [column for column, head in heads.items() if named([head], names)]
        last = {re.sub(r"\W|_", "", column.rpartition(".")[2].lower()): column for column in makers}
        return next((last[key] for key in ("name", "fullname", "title", "description") if key in last), None)

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

    def lines(self, place: str, name: str) -> Iterator[str]:
        """The file of sources, line by line."""
        yield "# Sources of the collection; see docs/sources.md for every key."
        yield "# The columns were guessed by their names and values: read this file, correct it, then run"
        yield "#   artpipe sources check FILE"
        yield "sources:"
        yield f"  - name: {name}"
        yield "    adapter: table"
        yield f"    path: {_scalar(place)}"
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
            name = self._several(column)
            if not self.artist:
                yield f"      artists: {f'{{name: {name}}}' if name else _scalar(column)}{self._example(column)}"
                return
            yield "      artists:"
            yield f"        name: {name or _scalar(column)}{self._example(column)}"
            for key, beside in self.artist.items():
                value = self._year(beside) if key in ("born", "died") else _scalar(beside)
                yield f"        {key}: {value}{self._example(beside)}"
        elif field in ("year_from", "year_to", "date_text"):
            yield f"      {field}: {self._year(column, field)}{self._example(column)}"
        elif field == "location" and self._share(column, _SOUNDS_STORED) > 0:
            yield f"      # location: {self._value(column)}  # it names stores, and the pages would show them"
        else:
            value = _scalar(column) if field == "images" else self._value(column)
            yield f"      {field}: {value}{self._example(column)}"

    def _value(self, column: str) -> str:
        """A column as one value: the first of a list, without brackets around all of it."""
        path = _scalar(column.replace("[]", "[0]"))
        return f"{{column: {path}, strip: '()'}}" if self._share(column, r"^\([^()]*\)") > 0.5 else path

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

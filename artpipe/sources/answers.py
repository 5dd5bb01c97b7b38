"""One request a record: an API that is asked for what a table lacks, such as the address of a work's picture.

Each answer is kept with its outcome, so that a record is asked about again only when it changed, or when the last
request failed. Every few hundred requests those that came are written to a part of their own, since an object store
appends nothing: a killed download goes on from there. At the end the parts become one file.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field

from artpipe.crawler.outcome import Outcome, Request
from artpipe.lake.paths import remove_file, write_whole
from artpipe.sources.fields import WebTemplate
from artpipe.sources.mapping import Conditions, Strict, Value, holds
from artpipe.sources.record_paths import as_texts, parse_path, value_at
from artpipe.sources.remarks import Remarks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

FILE = "answers.jsonl"
_PART = ".answers-{:06}.jsonl"
_KEPT_EVERY = 500
_FINAL = frozenset({Outcome.OK, Outcome.GONE})
"""Outcomes after which a record that did not change is not asked about again."""


class Answers(Strict):
    """An API that is asked about each record; `NAME.path` is a value of its JSON answer."""

    url: WebTemplate = Field(description="address with columns in braces, `https://.../objects/{Object ID}`")
    changed: str | None = Field(
        default=None, description="a column: where its value is another one, the record is asked about again"
    )
    where: Conditions = Field(default={}, description="the records to ask about")
    at_most: int | None = Field(default=None, ge=1, description="ask about the first so many records only")

    @property
    def host(self) -> str:
        """The host that is asked."""
        return urlsplit(re.sub(r"\{[^{}]*\}", "x", self.url)).netloc.lower()

    @property
    def paths(self) -> Iterator[str]:
        """The columns that tell what to ask."""
        yield from Value(template=self.url).paths
        yield from self.where
        if self.changed is not None:
            yield self.changed

    def addresses(self, batch: pl.DataFrame) -> pl.Series:
        """The address for each record of a batch; null where it is not asked about."""
        urls = pl.DataFrame({"url": Value(template=self.url).of(batch), "is_asked": holds(batch, self.where)})
        return urls.select(pl.when("is_asked").then("url")).to_series()


@dataclass(frozen=True)
class _Answer:
    """What came of asking about a record; a line of the file."""

    url: str
    changed: str | None
    outcome: str
    error: str | None
    answer: Any


def ask_about(
    client: "GalleryClient", wanted: Mapping[str, str | None], folder: "UPath", name: str, progress: "Progress"
) -> None:
    """Ask about each record whose answer is not there, or is not current.

    Args:
        client: sends the requests.
        wanted: the addresses, each with the value that tells whether its record changed.
        folder: where the answers are kept.
        name: what the progress is called.
        progress: advanced with each answer.
    """
    stored = _stored(folder / FILE, *_parts(folder))
    kept = {
        url: stored[url]
        for url, changed in wanted.items()
        if url in stored and stored[url].changed == changed and stored[url].outcome in _FINAL
    }
    missing = [url for url in wanted if url not in kept]
    parts = len(_parts(folder))
    unwritten: list[_Answer] = []
    with progress.track(name, len(missing), "requests") as step:
        for request, response in client.get_many(map(Request, missing)):
            content, error = _content(response.body) if response.outcome is Outcome.OK else (None, response.error)
            outcome = Outcome.FAILED if response.outcome is Outcome.OK and error else response.outcome
            if outcome not in _FINAL and request.url in stored:
                content = stored[request.url].answer  # an older answer is better than none
            kept[request.url] = _Answer(request.url, wanted[request.url], outcome, error, content)
            unwritten.append(kept[request.url])
            step.advance()
            if len(unwritten) == _KEPT_EVERY:
                parts += 1
                _write(folder / _PART.format(parts), unwritten)
                unwritten.clear()
    _write(folder / FILE, [kept[url] for url in sorted(kept)])
    for part in _parts(folder):
        remove_file(part)


def _content(body: bytes) -> tuple[Any, str | None]:
    try:
        return json.loads(body), None
    except (ValueError, RecursionError):
        return None, "the answer is no JSON"


def _parts(folder: "UPath") -> list["UPath"]:
    """What a killed download left, the oldest first."""
    return sorted(folder.glob(_PART.replace("{:06}", "*")))


def _stored(*files: "UPath") -> dict[str, _Answer]:
    """The last answer of each address; those of a file that cannot be read are asked for again."""
    found: dict[str, _Answer] = {}
    for file in files:
        try:
            answers = [_Answer(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
        except (FileNotFoundError, ValueError, TypeError):
            continue
        found |= {one.url: one for one in answers}
    return found


def _write(file: "UPath", answers: Iterable[_Answer]) -> None:
    lines = [json.dumps(asdict(one), ensure_ascii=True) for one in answers]
    write_whole(file, "\n".join(lines).encode())


class ReadAnswers:
    """The answers about the records of a source, ready to be put beside them.

    Args:
        answers: how they were asked for.
        folder: where they are.
        name: which the paths begin with.
        paths: `NAME.path` of what the mapping needs.
        remarks: takes how many records have no answer.
    """

    def __init__(self, answers: Answers, folder: "UPath", name: str, paths: list[str], remarks: Remarks) -> None:
        self._answers, self._name, self._paths = answers, name, paths
        steps = {path: parse_path(path.removeprefix(f"{name}.")) for path in paths}
        self._values: dict[str, dict[str, str | list[str | None] | None]] = {}
        for one in _stored(folder / FILE).values():
            self._values[one.url] = {path: as_texts(value_at(one.answer, steps[path])) for path in paths}
            if one.outcome != Outcome.OK:
                remarks.add(f"records have no current answer of {name} ({one.outcome})", one.url)

    def joined(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The batch with the values of the answers."""
        found = [self._values.get(url, {}) if url else {} for url in self._answers.addresses(batch)]
        columns: list[pl.Series] = []
        for path in self._paths:
            values = [one.get(path) for one in found]
            is_list = any(isinstance(value, list) for value in values)
            lists = [value if value is None or isinstance(value, list) else [value] for value in values]
            kind = pl.List(pl.String()) if is_list else pl.String()
            columns.append(pl.Series(path, lists if is_list else values, dtype=kind))
        return batch.with_columns(columns)

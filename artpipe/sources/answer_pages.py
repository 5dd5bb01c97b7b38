"""A JSON API that answers in pages: how the address of the next page is found."""

import json
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pydantic import Field, model_validator

from artpipe.errors import ArtpipeError
from artpipe.sources.mapping import Strict
from artpipe.sources.record_paths import parse_path, value_at
from artpipe.sources.records import list_of_records

if TYPE_CHECKING:
    from upath import UPath


class EndlessPagesError(ArtpipeError):
    """The pages of an answer do not end, or lead to another host."""


class Pages(Strict):
    """How the pages of a JSON API follow each other."""

    next: str | None = Field(default=None, description="path of the next page's address in an answer")
    offset: str | None = Field(default=None, description="query parameter that counts the records before a page")
    page: str | None = Field(default=None, description="query parameter with the number of a page, from 1")
    size: int | None = Field(default=None, ge=1, description="records of a full page; a page with fewer is the last")
    at_most: int = Field(default=2_000, ge=1, description="more pages than this are an error")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.next, self.offset, self.page)) != 1:
            raise ValueError("exactly one of next, offset and page is needed")
        if self.next is None and self.size is None:
            raise ValueError("size is needed with offset or page")
        return self

    def following(self, url: str, number: int, answer: "UPath", records: str | None) -> str | None:
        """The address of the page after one, or None after the last.

        Args:
            url: of the page.
            number: of the page, from 0.
            answer: the file with the page.
            records: path of the list of records.
        """
        data = json.loads(answer.read_bytes())
        found = list_of_records(data, records, url)
        if self.next is not None:
            target = value_at(data, parse_path(self.next))
            return urljoin(url, target) if isinstance(target, str) and target and found else None
        if len(found) < (self.size or 1):
            return None
        if self.page is not None:
            return _with_parameter(url, self.page, number + 2)
        return _with_parameter(url, self.offset or "", (number + 1) * (self.size or 1))


def _with_parameter(url: str, name: str, value: int) -> str:
    parts = urlsplit(url)
    query = [(key, text) for key, text in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, str(value))])))


def refuse_endless(url: str, pages: Pages, before: list[str]) -> None:
    """Refuse a page that was there before, that is one too many, or that is on another host.

    Raises:
        EndlessPagesError: it is one.
    """
    if url in before:
        raise EndlessPagesError(f"the pages of {before[0]} lead in a circle: {url} comes twice; check `pages`.")
    if len(before) >= pages.at_most:
        raise EndlessPagesError(f"{before[0]} has more than {pages.at_most:,} pages; raise `pages.at_most`.")
    if before and urlsplit(url).netloc != urlsplit(before[0]).netloc:
        raise EndlessPagesError(f"the pages of {before[0]} lead to another host, {url}; check `pages.next`.")

"""What a visitor asks for, as typed values, and the address that says it: every state of a page has one."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self
from urllib.parse import urlencode

from fastapi import Query
from pydantic import ValidationError

from artpipe.errors import ArtpipeError
from artpipe.search.filters import SearchFilter

FILTERS = ("style", "period", "type", "school", "artist", "year_from", "year_to")
LABEL_FILTERS = ("style", "period", "type", "school")
PAGE_SIZE = 24
MAX_PAGE = 10_000
_YEAR = r"^\s*(-?[0-9]{1,4})?\s*$"


def _asked(name: str, pattern: str | None = None) -> Any:
    """A field of an address, described as the filter describes it; longer texts than any label are refused."""
    return Query(max_length=200, pattern=pattern, description=SearchFilter.model_fields[name].description)


class UnusableQuestionError(ArtpipeError):
    """The values of a search contradict each other."""


@dataclass(frozen=True)
class Question:
    """A search: by a picture's token, by a work it should be like, by words, or by filters alone.

    Attributes:
        words: to be found in titles and artists.
        image: the token of an uploaded picture, see `artpipe.web.tokens`.
        like: an `artwork_id`.
        where: which works may be shown.
        page: from 1.
    """

    words: str | None = None
    image: str | None = None
    like: str | None = None
    where: SearchFilter = field(default_factory=SearchFilter)
    page: int = 1

    @classmethod
    def of(
        cls,
        words: Annotated[str | None, Query(max_length=200, description="to be found in titles and artists")] = None,
        image: Annotated[str | None, Query(max_length=6000, description="the token of an uploaded picture")] = None,
        like: Annotated[str | None, Query(max_length=300, description="the id of a work to compare with")] = None,
        style: Annotated[str | None, _asked("style")] = None,
        period: Annotated[str | None, _asked("period")] = None,
        type: Annotated[str | None, _asked("type")] = None,  # noqa: A002 - the catalogue's own word
        school: Annotated[str | None, _asked("school")] = None,
        artist: Annotated[str | None, _asked("artist")] = None,
        year_from: Annotated[str | None, _asked("year_from", _YEAR)] = None,
        year_to: Annotated[str | None, _asked("year_to", _YEAR)] = None,
        page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="from 1")] = 1,
    ) -> Self:
        """Read it from an address, where an empty field of a form means that nothing was chosen.

        Raises:
            UnusableQuestionError: the years are the wrong way round.
        """
        given = {"style": style, "period": period, "type": type, "school": school, "artist": artist}
        chosen: dict[str, Any] = {name: text.strip() for name, text in given.items() if text and text.strip()}
        for name, year in (("year_from", year_from), ("year_to", year_to)):
            if year and year.strip():
                chosen[name] = int(year)
        try:
            where = SearchFilter(**chosen)
        except ValidationError as error:
            told = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            raise UnusableQuestionError(f"this cannot be searched: {told}; change the filter.") from error
        return cls(_given(words), _given(image), _given(like), where, page)

    @property
    def filters(self) -> dict[str, Any]:
        """The filters that are set, by name; the pages set one value for each."""
        told = self.where.model_dump(exclude_none=True)
        return {name: value[0] if isinstance(value, tuple) else value for name, value in told.items()}

    @property
    def is_by_picture(self) -> bool:
        """Whether works are ranked by their looks."""
        return self.image is not None or self.like is not None

    def address(self) -> str:
        """The query string that asks this again."""
        page = self.page if self.page > 1 else None
        asked = {"words": self.words, "like": self.like, "image": self.image, **self.filters, "page": page}
        return urlencode({name: value for name, value in asked.items() if value is not None})

    def with_page(self, page: int) -> "Question":
        """The same on another page of the results."""
        return replace(self, page=page)

    def without(self, *names: str) -> "Question":
        """The same with filters taken away, from the first page."""
        kept = {name: value for name, value in self.filters.items() if name not in names}
        return replace(self, where=SearchFilter(**kept), page=1)

    def hidden(self) -> dict[str, str]:
        """What a form of filters carries along unseen."""
        carried = {"words": self.words, "like": self.like, "image": self.image}
        return {name: value for name, value in carried.items() if value is not None}


def _given(text: str | None) -> str | None:
    return text.strip() or None if text else None

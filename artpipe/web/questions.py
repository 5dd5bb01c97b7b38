"""What a visitor asks for, as typed values, and the address that says it: every state of a page has one."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self
from urllib.parse import urlencode

from fastapi import Query
from pydantic import Field, ValidationError

from artpipe.errors import ArtpipeError
from artpipe.search.filters import SearchFilter

LABEL_FILTERS = ("style", "period", "type", "school")
PAGE_SIZE = 24
MAX_PAGE = 10_000
MOST_EXAMPLES = 12
"""Works that may be named as like, and as unlike: what is like many things is like nothing."""
_YEAR = r"^\s*(-?[0-9]{1,4})?\s*$"

_WORDS = "to be found in titles, artists and techniques"
_Ids = tuple[Annotated[str, Field(max_length=300)], ...]


def _asked(name: str, pattern: str | None = None) -> Any:
    """A field of an address, described as the filter describes it; longer texts than any label are refused."""
    return Query(max_length=200, pattern=pattern, description=SearchFilter.model_fields[name].description)


class UnusableQuestionError(ArtpipeError):
    """The values of a search contradict each other."""


@dataclass(frozen=True)
class Question:
    """A search: by a picture's token, by works it should be like and unlike, by words, or by filters alone.

    Attributes:
        words: to be found in titles, artists and techniques.
        image: the token of an uploaded picture, see `artpipe.web.tokens`.
        like: the ids of works that the answer should be like.
        unlike: the ids of works that it should not be like.
        where: which works may be shown.
        page: from 1.
    """

    words: str | None = None
    image: str | None = None
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    where: SearchFilter = field(default_factory=SearchFilter)
    page: int = 1

    def __post_init__(self) -> None:
        if both := set(self.like) & set(self.unlike):
            raise UnusableQuestionError(f"{min(both)} is named as like and as unlike; take one of them away.")
        if max(len(self.like), len(self.unlike)) > MOST_EXAMPLES:
            raise UnusableQuestionError(f"at most {MOST_EXAMPLES} works can be named as like, and as unlike.")

    @classmethod
    def of(
        cls,
        words: Annotated[str | None, Query(max_length=200, description=_WORDS)] = None,
        image: Annotated[str | None, Query(max_length=6000, description="the token of an uploaded picture")] = None,
        like: Annotated[_Ids, Query(description="ids of works that the answer should be like")] = (),
        unlike: Annotated[_Ids, Query(description="ids of works that it should not be like")] = (),
        style: Annotated[str | None, _asked("style")] = None,
        period: Annotated[str | None, _asked("period")] = None,
        type: Annotated[str | None, _asked("type")] = None,  # noqa: A002 - the catalogue's own word
        school: Annotated[str | None, _asked("school")] = None,
        artist: Annotated[str | None, _asked("artist")] = None,
        technique: Annotated[str | None, _asked("technique")] = None,
        year_from: Annotated[str | None, _asked("year_from", _YEAR)] = None,
        year_to: Annotated[str | None, _asked("year_to", _YEAR)] = None,
        page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="from 1")] = 1,
    ) -> Self:
        """Read it from an address, where an empty field of a form means that nothing was chosen.

        Raises:
            UnusableQuestionError: the years are the wrong way round, or the examples contradict each other.
        """
        given = {"style": style, "period": period, "type": type, "school": school}
        given |= {"artist": artist, "technique": technique}
        chosen: dict[str, Any] = {name: text.strip() for name, text in given.items() if text and text.strip()}
        for name, year in (("year_from", year_from), ("year_to", year_to)):
            if year and year.strip():
                chosen[name] = int(year)
        try:
            where = SearchFilter(**chosen)
        except ValidationError as error:
            told = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            raise UnusableQuestionError(f"this cannot be searched: {told}; change the filter.") from error
        return cls(_given(words), _given(image), _examples(like), _examples(unlike), where, page)

    @property
    def filters(self) -> dict[str, Any]:
        """The filters that are set, by name; the pages set one value for each."""
        told = self.where.model_dump(exclude_none=True)
        return {name: value[0] if isinstance(value, tuple) else value for name, value in told.items()}

    @property
    def is_by_picture(self) -> bool:
        """Whether works are ranked by their looks."""
        return self.image is not None or bool(self.like)

    def address(self) -> str:
        """The query string that asks this again."""
        page = self.page if self.page > 1 else None
        asked = [*self.hidden(), *self.filters.items(), ("page", page)]
        return urlencode([(name, value) for name, value in asked if value is not None])

    def with_page(self, page: int) -> "Question":
        """The same on another page of the results."""
        return replace(self, page=page)

    def without(self, *names: str) -> "Question":
        """The same with filters taken away, from the first page."""
        kept = {name: value for name, value in self.filters.items() if name not in names}
        return replace(self, where=SearchFilter(**kept), page=1)

    def without_words(self) -> "Question":
        """The same whatever the works are called, from the first page."""
        return replace(self, words=None, page=1)

    def with_like(self, artwork_id: str) -> "Question":
        """The same with one more work that the answer should be like, or without it where it is one already."""
        return self._by(_toggled(self.like, artwork_id), _out(self.unlike, artwork_id))

    def with_unlike(self, artwork_id: str) -> "Question":
        """The same with one more work that the answer should not be like, or without it where it is one already."""
        return self._by(_out(self.like, artwork_id), _toggled(self.unlike, artwork_id))

    @property
    def takes_examples(self) -> bool:
        """Whether one more example can be named."""
        return max(len(self.like), len(self.unlike)) < MOST_EXAMPLES

    def hidden(self) -> list[tuple[str, str]]:
        """What a form of filters carries along unseen."""
        asked = [("words", self.words), ("image", self.image)]
        asked += [("like", one) for one in self.like] + [("unlike", one) for one in self.unlike]
        return [(name, value) for name, value in asked if value is not None]

    def _by(self, like: tuple[str, ...], unlike: tuple[str, ...]) -> "Question":
        # Unlike a work alone is nearly everything: the last example takes what it is not with it.
        return replace(self, like=like, unlike=unlike if like or self.image else (), page=1)


def _given(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _examples(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in ids if one.strip()))


def _out(ids: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(other for other in ids if other != one)


def _toggled(ids: tuple[str, ...], one: str) -> tuple[str, ...]:
    return _out(ids, one) if one in ids else (*ids, one)

"""A visitor's search as typed values, and its address: every state of a page has one."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from artpipe.errors import ArtpipeError
from artpipe.search.filters import SearchFilter
from artpipe.tasks import Tasks

PAGE_SIZE = 24
MAX_PAGE = 10_000
MAX_EXAMPLES = 12
"""Most works named with `like`, and with `unlike`: the mean of many vectors is similar to everything."""
_YEAR = r"^\s*(-?[0-9]{1,4}|[0-9]{1,4}\s*[Bb]\.?\s?[Cc]\.?(\s?[Ee]\.?)?)?\s*$"

_WORDS = "to be found in titles, artists, techniques, locations and labels"
_LOOKS = "what the works should look like, in words that the catalogue taught"
_Ids = tuple[Annotated[str, Field(max_length=300)], ...]
_MAX_VALUE, _MAX_VALUES = 200, 40
_Values = Annotated[tuple[Annotated[str, Field(max_length=_MAX_VALUE)], ...], Field(max_length=_MAX_VALUES)]


def _values_of(name: str) -> Any:
    """A query parameter that may come several times, with the description of the filter's field."""
    return Query(description=f"{SearchFilter.model_fields[name].description}; of several, any")


def _year_of(name: str) -> Any:
    """A query parameter that is a year."""
    return Query(max_length=200, pattern=_YEAR, description=SearchFilter.model_fields[name].description)


def labels_of_address(request: Request) -> dict[str, tuple[str, ...]] | None:
    """The query parameters that are named like a task of the collection and that no address declares.

    Raises:
        RequestValidationError: there are too many values, or one is too long.
    """
    found: dict[str, tuple[str, ...]] = {}
    for task in tasks_of_addresses(request):
        values = _each(tuple(request.query_params.getlist(task)))
        limits = (
            ("too_long", len(values), _MAX_VALUES),
            ("string_too_long", max(map(len, values), default=0), _MAX_VALUE),
        )
        for kind, length, most in limits:
            if length > most:
                error = {"type": kind, "loc": ("query", task), "msg": "", "input": "", "ctx": {"max_length": most}}
                raise RequestValidationError([error])
        if values:
            found[task] = values
    return found or None


def tasks_of_addresses(request: Request) -> tuple[str, ...]:
    """The tasks of the collection that a search in an address can name beside style, period and type."""
    tasks: Tasks = request.app.state.web.catalogue.collection.tasks
    return tuple(task for task in tasks if task not in SearchFilter.model_fields)


LabelsOfAddress = Annotated[dict[str, tuple[str, ...]] | None, Depends(labels_of_address)]


class UnusableQuestionError(ArtpipeError):
    """The values of a search contradict each other."""


@dataclass(frozen=True)
class Question:
    """A search: by a picture's token, by works to be similar or not, by looks, by words, or by filters alone.

    Attributes:
        words: to be found in titles, artists, techniques, locations and labels.
        looks: what the hits should look like.
        image: the token of an uploaded picture, see `artpipe.web.tokens`.
        like: the ids of works that the hits should be similar to.
        unlike: the ids of works that they should not be similar to.
        where: which works may be shown.
        page: from 1.
    """

    words: str | None = None
    looks: str | None = None
    image: str | None = None
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    where: SearchFilter = field(default_factory=SearchFilter)
    page: int = 1

    def __post_init__(self) -> None:
        if both := set(self.like) & set(self.unlike):
            raise UnusableQuestionError(f"{min(both)} is named with both `like` and `unlike`; remove one of them.")
        if max(len(self.like), len(self.unlike)) > MAX_EXAMPLES:
            raise UnusableQuestionError(f"at most {MAX_EXAMPLES} works can be named with `like`, and with `unlike`.")

    @classmethod
    def of(
        cls,
        words: Annotated[str | None, Query(max_length=200, description=_WORDS)] = None,
        looks: Annotated[str | None, Query(max_length=200, description=_LOOKS)] = None,
        image: Annotated[str | None, Query(max_length=6000, description="the token of an uploaded picture")] = None,
        like: Annotated[_Ids, Query(description="ids of works that the hits should be similar to")] = (),
        unlike: Annotated[_Ids, Query(description="ids of works that the hits should not be similar to")] = (),
        style: Annotated[_Values, _values_of("style")] = (),
        period: Annotated[_Values, _values_of("period")] = (),
        type: Annotated[_Values, _values_of("type")] = (),  # noqa: A002 - the catalogue's own word
        school: Annotated[_Values, _values_of("school")] = (),
        artist: Annotated[_Values, _values_of("artist")] = (),
        technique: Annotated[_Values, _values_of("technique")] = (),
        location: Annotated[_Values, _values_of("location")] = (),
        year_from: Annotated[str | None, _year_of("year_from")] = None,
        year_to: Annotated[str | None, _year_of("year_to")] = None,
        page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="from 1")] = 1,
        labels: LabelsOfAddress = None,
    ) -> Self:
        """Parse the query parameters; an empty field of a form is not set.

        Raises:
            UnusableQuestionError: the years are the wrong way round, or the examples contradict each other.
        """
        lists = {"style": style, "period": period, "type": type, "school": school}
        lists |= {"artist": artist, "technique": technique, "location": location}
        years = {"year_from": _stripped(year_from), "year_to": _stripped(year_to)}
        try:
            fields = {name: _each(texts) or None for name, texts in lists.items()} | years
            where = SearchFilter.model_validate(fields | {"labels": labels})
        except ValidationError as error:
            # Each value alone was checked by its pattern.
            raise UnusableQuestionError(
                f"the years end before they begin: from {year_from} to {year_to}; exchange them."
            ) from error
        texts = (_stripped(words), _stripped(looks), _stripped(image))
        return cls(*texts, _each(like), _each(unlike), where, page)

    @property
    def filters(self) -> list[tuple[str, Any]]:
        """The filters that are set: each name with each of its values."""
        return self.where.conditions

    def values(self, name: str) -> list[Any]:
        """The values of one filter."""
        return [value for one, value in self.filters if one == name]

    @property
    def is_by_picture(self) -> bool:
        """Whether works are ranked by similarity."""
        return self.image is not None or self.looks is not None or bool(self.like)

    def address(self) -> str:
        """The query string of this search."""
        page = self.page if self.page > 1 else None
        fields = [*self.hidden(), *self.filters, ("page", page)]
        return urlencode([(name, value) for name, value in fields if value is not None])

    def with_page(self, page: int) -> "Question":
        """The same on another page of the results."""
        return replace(self, page=page)

    def without(self, *names: str) -> "Question":
        """The same without some filters, from the first page."""
        return self._with_filter(**dict.fromkeys(names))

    def without_value(self, name: str, value: object) -> "Question":
        """The same without one value of a filter, from the first page."""
        kept = tuple(one for one in self.values(name) if one != value)
        return self._with_filter(**{name: kept or None})

    def without_filters(self) -> "Question":
        """The same without any filter, from the first page."""
        return replace(self, where=SearchFilter(), page=1)

    def with_filter(self, name: str, value: str) -> "Question":
        """The same with another value of a filter, from the first page."""
        return self._with_filter(**{name: (value,)})

    def without_words(self) -> "Question":
        """The same without the words, from the first page."""
        return replace(self, words=None, page=1)

    def by_looks(self) -> "Question":
        """The same with its words as what the works should look like."""
        return replace(self, words=None, looks=self.words, page=1)

    def by_words(self) -> "Question":
        """The same with what the works should look like as words to be found."""
        return replace(self, words=self.looks, looks=None, page=1)

    def with_like(self, artwork_id: str) -> "Question":
        """The same with a work added to `like`, or removed where it is there."""
        return self._with_examples(_toggled(self.like, artwork_id), _without(self.unlike, artwork_id))

    def with_unlike(self, artwork_id: str) -> "Question":
        """The same with a work added to `unlike`, or removed where it is there."""
        return self._with_examples(_without(self.like, artwork_id), _toggled(self.unlike, artwork_id))

    @property
    def takes_examples(self) -> bool:
        """Whether one more example can be added."""
        return max(len(self.like), len(self.unlike)) < MAX_EXAMPLES

    def hidden(self) -> list[tuple[str, str]]:
        """The hidden fields of the form of filters."""
        fields = [("words", self.words), ("looks", self.looks), ("image", self.image)]
        fields += [("like", one) for one in self.like] + [("unlike", one) for one in self.unlike]
        return [(name, value) for name, value in fields if value is not None]

    def _with_filter(self, **values: tuple[Any, ...] | None) -> "Question":
        where = self.where
        for name, of in values.items():
            where = where.replaced(name, of)
        return replace(self, where=where, page=1)

    def _with_examples(self, like: tuple[str, ...], unlike: tuple[str, ...]) -> "Question":
        # `unlike` needs something to move away from: the last example of `like` takes `unlike` with it.
        return replace(self, like=like, unlike=unlike if like or self.image or self.looks else (), page=1)


QuestionOfAddress = Annotated[Question, Depends(Question.of)]
"""The search in the query string of a request."""


def _stripped(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _each(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Each text once, without those of blanks alone."""
    return tuple(dict.fromkeys(one.strip() for one in texts if one.strip()))


def _without(ids: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(other for other in ids if other != one)


def _toggled(ids: tuple[str, ...], one: str) -> tuple[str, ...]:
    return _without(ids, one) if one in ids else (*ids, one)

"""What a person hands to `Collection`, checked before it is used, so that a wrong type ends in a sentence.

Types come from the annotations. A picture is left to `images/reading.py`, which says itself what it cannot take.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any, ParamSpec, TypeVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from artpipe.embedding.predictions import PictureEncoder
from artpipe.images.reading import Picture, as_array, is_pixels
from artpipe.recognition.same_painting import Match
from artpipe.recognition.view import Crop
from artpipe.search.filters import SearchFilter
from artpipe.search.request import Query, SearchOptions, UnusableArgumentError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_AS_THEY_ARE = (inspect.Parameter.empty, Picture, PictureEncoder | None, Crop | None)
_MOST_LETTERS = 60


def checked(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Check the arguments of a method by its annotations.

    What can be meant in one way only is taken: a dictionary as a `SearchFilter`, one query where several may be given.

    Raises:
        UnusableArgumentError: one of them is of another type.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = signature.bind(*args, **kwargs)
        snapshot = getattr(given.arguments.get("self"), "snapshot", None)
        tasks: tuple[str, ...] = () if snapshot is None else snapshot.tasks.names
        for name, value in given.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:
                if unknown := value.keys() - SearchOptions.__annotations__.keys():
                    known = ", ".join(SearchOptions.__annotations__)
                    raise UnusableArgumentError(f"{method.__name__} takes no {min(unknown)!r}; its options: {known}.")
                taken = {
                    option: _taken(option, it, SearchOptions.__annotations__[option], tasks)
                    for option, it in value.items()
                }
            else:
                taken = _taken(name, value, parameter.annotation, tasks)
            given.arguments[name] = taken
        return method(*given.args, **given.kwargs)

    return call


def one_or_many(queries: Any) -> list[Any]:
    """Several queries as a list; one picture, one id or one vector is a list of one."""
    if isinstance(queries, (list, tuple)):
        is_vector = bool(queries) and all(isinstance(each, Number) for each in queries)
        return [queries] if is_vector else list(queries)
    if (numbers := as_array(queries)) is not None:
        return [queries] if numbers.ndim in (0, 1, 3) or is_pixels(numbers) else list(numbers)
    is_one = isinstance(queries, (str, bytes, bytearray, memoryview, Mapping)) or hasattr(queries, "read")
    try:
        return [queries] if is_one else list(queries)
    except TypeError:  # it cannot be iterated
        return [queries]


def _taken(name: str, value: Any, annotation: Any, tasks: Sequence[str]) -> Any:
    if annotation in _AS_THEY_ARE:
        return value
    if annotation == Match | None:
        if isinstance(value, Match | None):
            return value
        raise UnusableArgumentError(f"{name} is a {type(value).__name__}; give what `same_painting` returned.")
    if annotation in (Sequence[Picture], Sequence[Query], Sequence[str]):
        value = one_or_many(value)
        if annotation != Sequence[str]:
            return value
    if annotation == SearchFilter | None and isinstance(value, Mapping):
        value = _with_labels(value, tasks)
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise UnusableArgumentError(f"{_problem(name, value, error, tasks)}.") from error


def _with_labels(fields: Mapping[Any, Any], tasks: Sequence[str]) -> dict[Any, Any]:
    """The fields of a filter; a key that is a task of the collection, and no field, is one of its `labels`."""
    labels = {name: fields[name] for name in fields if name in tasks and name not in SearchFilter.model_fields}
    others = {name: value for name, value in fields.items() if name not in labels}
    return others | {"labels": {**(others.get("labels") or {}), **labels}} if labels else others


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def _problem(name: str, value: object, error: ValidationError, tasks: Sequence[str]) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        known = dict.fromkeys((*SearchFilter.model_fields, *tasks))
        return f"{name} has no field {first['loc'][-1]!r}; choose of {', '.join(known)}"
    field = first["loc"][0] if first["loc"] and isinstance(value, Mapping) else None
    wrong = value if field is None else first["input"]
    shown = repr(wrong)
    if len(shown) > _MOST_LETTERS or not shown.isprintable():
        shown = f"a {type(wrong).__name__}"
    message = first["msg"].removeprefix("Value error, ")
    return (
        f"{name if field is None else f'{name}[{field!r}]'}={shown} cannot be used: {message[0].lower()}{message[1:]}"
    )

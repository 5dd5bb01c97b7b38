"""The query parameters of an address: which it takes in this collection, and what is said of others."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from artpipe.errors import asked_for, did_you_mean
from artpipe.schema import CLASSES
from artpipe.tasks import Task, Tasks, heading
from artpipe.web.questions import tasks_of_addresses

_ALSO_CALLED = {
    **dict.fromkeys(("q", "text", "query", "search", "keywords"), "words"),
    **dict.fromkeys(("limit", "k", "per_page"), "size"),
    **dict.fromkeys(("from", "start_year"), "year_from"),
    **dict.fromkeys(("to", "end_year"), "year_to"),
}
"""What other sites call a parameter."""
_OF_TRACKERS = re.compile(r"utm_.*|.*clid|mc_[ce]id|_ga|_gl|ref", re.IGNORECASE)
"""What mailings and social networks add to any address."""
_MOST_CLASSES = 12


def unknown_parameters(request: Request) -> dict[str, str]:
    """The query parameters that an address does not know, and what is said of each."""
    route: APIRoute = request.scope["route"]
    known = list(dict.fromkeys(_names(route.dependant)))
    if "style" in known:  # a search, which knows the other tasks of the collection, too
        known += tasks_of_addresses(request)
    return {name: _hint(name, known) for name in request.query_params if name not in known}


def ignored_parameters(request: Request) -> list[str]:
    """What a page says of the parameters that it ignores; those of trackers go without saying."""
    return [hint for name, hint in unknown_parameters(request).items() if not _OF_TRACKERS.fullmatch(name)]


def _names(dependant: Dependant) -> Iterator[str]:
    """The query parameters of a function and of what it depends on."""
    for one in dependant.dependencies:
        yield from _names(one)
    yield from (one.alias for one in dependant.query_params)


def _hint(name: str, known: list[str]) -> str:
    also = [_ALSO_CALLED[name]] if _ALSO_CALLED.get(name) in known else []
    names = ", ".join(f"`{one}`" for one in known)
    hint = asked_for(also) or did_you_mean(name, known) or f"it takes {names or 'none'}."
    return f"there is no parameter `{name}` here; {hint}"


class CollectionApp(FastAPI):
    """An app whose OpenAPI description has the tasks of the collection that it serves."""

    def openapi(self) -> dict[str, Any]:
        """The description, with a parameter for each task of the collection in every search."""
        described = super().openapi()
        tasks: Tasks = self.state.web.catalogue.collection.tasks
        paths = {
            path: {method: _with_tasks(operation, tasks) for method, operation in operations.items()}
            for path, operations in described["paths"].items()
        }
        return described | {"paths": paths}


def _with_tasks(operation: Mapping[str, Any], tasks: Tasks) -> dict[str, Any]:
    """An operation; where it is a search, with the tasks of the collection in place of style, period and type."""
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    model = next((one for one in parameters if one["name"] == "style"), None)
    if model is None:
        return dict(operation)
    others = [one for one in parameters if one["name"] not in CLASSES]
    own = [
        model
        | {
            "name": task.name,
            "description": _description(task),
            "schema": model["schema"] | {"title": heading(task.name), "description": _description(task)},
        }
        for task in tasks.values()
    ]
    place = next(number for number, one in enumerate(parameters) if one["name"] in CLASSES)
    return {**operation, "parameters": [*others[:place], *own, *others[place:]]}


def _description(task: Task) -> str:
    shown = ", ".join(task.classes[:_MOST_CLASSES])
    rest = f" and {len(task.classes) - _MOST_CLASSES} more" if len(task.classes) > _MOST_CLASSES else ""
    return f"{task.title}: {shown}{rest}; of several, any" if shown else f"{task.title}; no work has one"

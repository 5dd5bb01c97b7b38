"""The file of sources: which catalogues make the collection, and how each is read.

YAML with `sources:`, each an adapter with its keys or a preset with some of them changed, and perhaps `tasks:`. A key
that is not known is an error with its place and the closest one that is.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from artpipe.errors import ArtpipeError, did_you_mean
from artpipe.settings import environment_variable
from artpipe.sources.contract import Source
from artpipe.sources.folder import FolderSource
from artpipe.sources.iiif import IiifSource
from artpipe.sources.oai import OaiSource
from artpipe.sources.places import FOLDER
from artpipe.sources.table import Table
from artpipe.sources.wga import WgaSource
from artpipe.tasks import TaskDeclaration

ADAPTERS: tuple[type[Source], ...] = (Table, FolderSource, IiifSource, OaiSource, WgaSource)
"""Every kind of source; the word in its field `adapter` chooses it."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MAX_DEPTH, _MAX_PLACES = 50, 200_000
"""A file that is nested deeper, or whose aliases stand for more, is none that a person wrote."""
_HEAD_WORD = re.compile(r"(Page|Terms|Pace|Reads|Tried):")
_PRESETS = resources.files("artpipe.sources") / "presets"
Place = tuple[str | int, ...]
"""Keys and places in lists that lead to a value of the file."""


class BadSourcesFileError(ArtpipeError):
    """The file of sources cannot be taken; the message has a line for each fault."""


@dataclass(frozen=True)
class SourcesFile:
    """What a file of sources says.

    Attributes:
        sources: at least one; their names differ.
        tasks: what is predicted; None where neither the file nor a preset says.
    """

    sources: tuple[Source, ...]
    tasks: tuple[TaskDeclaration, ...] | None

    def without_secrets(self) -> dict[str, Any]:
        """What `sources_of` makes the same from, without headers: presets merged in, paths absolute, fit for JSON."""
        listed = [
            source.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"headers"})
            for source in self.sources
        ]
        tasks = (
            None if self.tasks is None else [task.model_dump(mode="json", exclude_unset=True) for task in self.tasks]
        )
        return {"sources": listed, **({} if tasks is None else {"tasks": tasks})}


def read_sources_file(path: Path | str) -> SourcesFile:
    """Read a file of sources.

    Raises:
        BadSourcesFileError: it is not there, is no YAML, or says something that cannot be taken.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSourcesFileError(f"{path} is not in UTF-8; save it again with that encoding.") from error
    except OSError as error:
        raise BadSourcesFileError(
            f"{path} cannot be read ({error.strerror}); `artpipe sources new TABLE` writes such a file."
        ) from error
    return parse_sources(text, str(path), path.absolute().parent)


def parse_sources(text: str, name: str, folder: Path) -> SourcesFile:
    """What the text of a file of sources says.

    Args:
        text: YAML.
        name: of the file, in errors.
        folder: which relative paths count from.
    """
    data, lines = _loaded(text, name)
    if not isinstance(data, Mapping):
        raise BadSourcesFileError(f"{name} should have `sources:` with a list below it; see docs/sources.md.")
    return _parsed(cast("Mapping[str, Any]", data), name, folder, lines)


def sources_of(content: Mapping[str, Any]) -> SourcesFile:
    """The sources of what `SourcesFile.without_secrets` gave.

    Raises:
        BadSourcesFileError: it says something that cannot be taken.
    """
    return _parsed(content, "the stored sources", Path(), {})


def _parsed(found: Mapping[str, Any], name: str, folder: Path, lines: Mapping[Place, int]) -> SourcesFile:
    faults = [_unknown_key((key,), ("sources", "tasks"), lines) for key in found if key not in ("sources", "tasks")]
    listed = found.get("sources")
    if not isinstance(listed, list) or not listed:
        faults.append("sources: a list with at least one source is needed; see `artpipe sources list`")
        listed = []
    sources: list[Source] = []
    preset_tasks: list[Any] = []
    for number, given in enumerate(cast("list[Any]", listed)):
        place: Place = ("sources", number)
        if not isinstance(given, Mapping):
            faults.append(_fault(place, "a mapping with `adapter` or `preset` is needed", lines))
            continue
        merged: dict[str, Any] = {}
        try:
            merged, tasks = _with_preset(cast("Mapping[str, Any]", given))
            source = _source(merged, folder)
        except ValidationError as error:
            faults += _faults(error, place, lines, _adapter(merged))
        except BadSourcesFileError as error:
            faults.append(_fault(place, str(error), lines))
        else:
            if any(source.name == other.name for other in sources):
                faults.append(_fault((*place, "name"), f"{source.name!r} is the name of two sources", lines))
            sources.append(source)
            # A task whose labels the user took out of the preset is none of this collection.
            kept = [task for task in tasks if task["name"] in merged.get("labels", {}) or "years" in task]
            preset_tasks += kept if tasks else source.own_tasks
    faults += _second_gallery(sources)
    declared: tuple[TaskDeclaration, ...] | None = None
    if "tasks" in found or preset_tasks:
        try:
            given_tasks = _TASKS.validate_python(found.get("tasks", preset_tasks))
            declared = tuple({task.name: task for task in given_tasks}.values())
            if "tasks" in found:
                names = [task.name for task in given_tasks]
                faults += [
                    _fault(("tasks", number, "name"), f"{name!r} is the name of two tasks", lines)
                    for number, name in enumerate(names)
                    if name in names[:number]
                ]
        except ValidationError as error:
            faults += _faults(error, ("tasks",), lines)
    if faults:
        raise BadSourcesFileError(f"{name}:\n" + "\n".join(f"  {fault}" for fault in dict.fromkeys(faults)))
    return SourcesFile(tuple(sources), declared)


def _second_gallery(sources: Iterable[Source]) -> Iterator[str]:
    """A fault where two sources are galleries: both have the addresses of one original site."""
    names = [source.name for source in sources if source.is_gallery]
    if len(names) > 1:
        yield f"sources: {' and '.join(names)} are of the adapter `wga`; only one source can be"


_TASKS = TypeAdapter(tuple[TaskDeclaration, ...])


def preset_names() -> list[str]:
    """The presets that there are."""
    return sorted(file.name.removesuffix(".yaml") for file in _PRESETS.iterdir() if file.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """A preset's file; its head comment has terms, pace and landing page.

    Raises:
        BadSourcesFileError: there is no such preset.
    """
    if name not in preset_names():
        raise BadSourcesFileError(f"there is no preset {name!r}{_meant(name, preset_names())}")
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def preset_head(name: str) -> dict[str, str]:
    """What a preset's head comment says: its `title`, `page`, `terms`, `pace`, and what was `tried`."""
    comment = preset_text(name).partition("\nadapter:")[0]
    lines = [line.removeprefix("#").strip() for line in comment.splitlines()]
    head, word = {"title": lines[0]}, "title"
    for line in lines[1:]:
        if found := _HEAD_WORD.match(line):
            word = found[1].lower()
            head[word] = line[found.end() :].strip()
        else:
            head[word] = f"{head[word]} {line}".strip()
    return head


def _with_preset(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """A source with its preset below the user's own keys, and the preset's tasks."""
    if "preset" not in given:
        return dict(given), []
    name = str(given["preset"])
    preset = yaml.safe_load(preset_text(name))
    tasks = preset.pop("tasks", [])
    own = {key: value for key, value in given.items() if key != "preset"}
    return _merged({"name": name, **preset}, own), tasks


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings key by key; those that hold mappings are merged, a null takes a key out, all else is replaced."""
    merged = {**below, **above}
    for key in ("columns", "labels", "tables", "answers", "headers"):
        ours, theirs = above.get(key), below.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            merged[key] = {**theirs, **ours}
            if key in ("tables", "answers"):
                merged[key] |= {
                    name: {**theirs[name], **table}
                    for name, table in cast("Mapping[str, Any]", ours).items()
                    if name in theirs and isinstance(table, Mapping)
                }
            merged[key] = {name: value for name, value in merged[key].items() if value is not None}
    return {key: value for key, value in merged.items() if value is not None}


def _source(data: dict[str, Any], folder: Path) -> Source:
    headers = data.get("headers")
    if isinstance(headers, Mapping):
        filled = {name: _filled(name, value) for name, value in cast("Mapping[Any, Any]", headers).items()}
        data = {**data, "headers": filled}
    return _adapter(data).model_validate(data, context={FOLDER: str(folder)})


def _adapter(data: Mapping[str, Any]) -> type[Source]:
    """The kind of source that a part of the file is."""
    by_word = {get_args(adapter.model_fields["adapter"].annotation)[0]: adapter for adapter in ADAPTERS}
    word = data.get("adapter")
    if word is None:
        listed = f"adapters: {', '.join(by_word)}; presets: {', '.join(preset_names())}"
        raise BadSourcesFileError(f"`adapter` or `preset` is missing ({listed})")
    if not isinstance(word, str) or word not in by_word:
        raise BadSourcesFileError(f"adapter: there is no {word!r}{_meant(str(word), list(by_word))}")
    return by_word[word]


def _filled(name: object, value: object) -> object:
    """A header with the variables of the environment that it names, without white space at its ends.

    Raises:
        BadSourcesFileError: a variable is not set, or the header cannot be sent; the message does not show its value.
    """
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise BadSourcesFileError(f"headers: {name!r} cannot be the name of a header")
    if not isinstance(value, str):
        return value

    def found(variable: re.Match[str]) -> str:
        text = environment_variable(variable[1])
        if text is None:
            raise BadSourcesFileError(
                f"headers name the environment variable {variable[1]!r}, which is not set; set it, or put it into .env"
            )
        return text.strip()

    filled = _VARIABLE.sub(found, value).strip()
    if any(ord(char) > 0xFF or unicodedata.category(char) == "Cc" for char in filled):
        raise BadSourcesFileError(
            f"headers.{name} cannot be sent: its value has a line end, another control character or one that is not "
            "Latin-1; check the value and the variables that it names"
        )
    return filled


# Faults and their places


def _loaded(text: str, name: str) -> tuple[object, dict[Place, int]]:
    """The data of YAML, and the line of each place in it."""
    lines: dict[Place, int] = {}
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        if root is not None:
            for number, (place, line) in enumerate(_lines_below(root, ())):
                if number == _MAX_PLACES:
                    raise yaml.MarkedYAMLError(problem="aliases of aliases stand for too much")
                lines[place] = line
        return yaml.safe_load(text), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BadSourcesFileError(f"{name} is no YAML{at}: {problem}; check indentation and quotes there.") from error
    except RecursionError as error:
        raise BadSourcesFileError(f"{name} is nested too deeply; see docs/sources.md.") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # PyYAML makes dates and numbers of what merely looks like them, `2026-02-30`.
        raise BadSourcesFileError(
            f"{name} has a date or a number that cannot be one ({error}); put it into quotes."
        ) from error


def _lines_below(node: yaml.Node, place: Place, above: tuple[yaml.Node, ...] = ()) -> Iterator[tuple[Place, int]]:
    """The line of each place; an alias is followed.

    Raises:
        yaml.MarkedYAMLError: a key is no text or is there twice, or a part contains itself or lies too deep.
    """
    if any(node is other for other in above):
        raise yaml.MarkedYAMLError(problem="this part contains itself by an alias", problem_mark=node.start_mark)
    if len(above) > _MAX_DEPTH:
        raise yaml.MarkedYAMLError(problem=f"more than {_MAX_DEPTH} parts within another", problem_mark=node.start_mark)
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a text, no list or mapping", problem_mark=key.start_mark)
            if key.value in seen and key.value != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
            yield from _lines_below(value, (*place, key.value), (*above, node))
            yield (*place, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines_below(value, (*place, number), (*above, node))


def _faults(
    error: ValidationError, place: Place, lines: Mapping[Place, int], model: type[BaseModel] = TaskDeclaration
) -> Iterator[str]:
    """A line for each fault that pydantic found in a source or in the tasks."""
    for one in error.errors(include_url=False, include_input=False):
        loc: Place = tuple(part for part in one["loc"] if part not in _NOT_KEYS)
        full = (*place, *loc)
        if one["type"] == "extra_forbidden":
            yield _unknown_key(full, _known_keys(model, loc[:-1]), lines)
        elif one["type"] == "missing":
            yield _fault(full[:-1], f"{full[-1]!r} is missing", lines)
        else:
            yield _fault(full, one["msg"].removeprefix("Value error, "), lines)


_NOT_KEYS = frozenset({"all", "conditions", "[key]"})
"""What pydantic puts into a place for the branches of a union, and for the key of a mapping."""


def _known_keys(model: type[BaseModel], loc: Place) -> tuple[str, ...]:
    """The keys of the part of a model that a place leads to."""
    for part in loc:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        inner = next(_models_in(model.model_fields[part].annotation), None)
        if inner is None:
            return ()
        model = inner
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _unknown_key(place: Place, known: tuple[str, ...], lines: Mapping[Place, int]) -> str:
    return _fault(place, f"no such key{_meant(str(place[-1]), known)}", lines)


def _meant(given: str, known: tuple[str, ...] | list[str]) -> str:
    question = did_you_mean(given, known)
    return f"; {question}" if question else f"; there are {', '.join(known)}" if known else ""


def _fault(place: Place, what: str, lines: Mapping[Place, int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    at = next((lines[place[:end]] for end in range(len(place), 1, -1) if place[:end] in lines), None)
    return f"{text}{f' (line {at})' if at else ''}: {what}"

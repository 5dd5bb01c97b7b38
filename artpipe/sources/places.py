"""Where a source's files are: a path on this machine, a folder, a pattern, an `http(s)://` or an `s3://` address."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ValidationInfo

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import expand_home
from artpipe.sources.fields import checked_address, refuse_login

if TYPE_CHECKING:
    from collections.abc import Collection

    from upath import UPath

WEB = ("http://", "https://")
FOLDER = "folder"
"""Key of the validation context: the folder of the file of sources, which relative paths count from."""


class NoFileError(ArtpipeError):
    """There is no file at a place."""


def _absolute(place: str, info: ValidationInfo) -> str:
    place = expand_home(place.strip())
    if "://" in place:
        refuse_login(place)
        if is_web(place):
            checked_address(place)
        return place
    folder: str = (info.context or {}).get(FOLDER, ".")
    return str(Path(folder, place).absolute())


Place = Annotated[str, AfterValidator(_absolute)]
"""A place in the file of sources; a relative path counts from that file."""


def is_web(place: str) -> bool:
    """Whether it is asked for by HTTP."""
    return place.lower().startswith(WEB)


def file_name(place: str) -> str:
    """The last part of a place, as the name of a file."""
    path = unquote(urlsplit(place).path) if is_web(place) else place
    name = path.rstrip("/").rpartition("/")[2]
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in name)[-80:] or "table"


def files_at(place: str, suffixes: "Collection[str]") -> "list[UPath]":
    """The files at a place that is not on the web: one, all of a folder that have such a suffix, those of a pattern.

    Raises:
        NoFileError: there is none.
    """
    from upath import UPath

    path = UPath(place)
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)
            if not found:
                raise NoFileError(f"{place} has no file that ends in {', '.join(sorted(suffixes))}; check `path`.")
            return found
        if any(char in place for char in "*?["):
            fixed = place
            while any(char in fixed for char in "*?["):
                fixed = fixed.rpartition("/")[0]
            found = sorted(file for file in UPath(fixed or "/").glob(place[len(fixed) :].lstrip("/")) if file.is_file())
            if found:
                return found
    except ImportError as error:
        raise NoFileError(f"{place}: {error}; for s3:// addresses, `pip install 'artpipe[s3]'`.") from error
    except OSError as error:
        raise NoFileError(f"{place} cannot be read ({error}); check `path` and your rights.") from error
    raise NoFileError(f"there is no file at {place}; relative paths count from the file of sources.")

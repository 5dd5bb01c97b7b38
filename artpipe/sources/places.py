"""Where a source's files are: a path on this machine, a folder, a pattern, an `http(s)://` or an `s3://` address."""

from collections.abc import Generator
from contextlib import contextmanager
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
    """The files at a place that is not on the web: one, those of a folder with such a suffix, those of a pattern.

    Of a folder that has none itself, those of the folders below it are taken.

    Raises:
        NoFileError: there is none, or it cannot be read.
    """
    with read_errors(place):
        path = _path(place)
        kind = _kind(path)
        if kind == "file":
            return [path]
        if kind == "directory":
            for files in (path.iterdir(), path.rglob("*")):
                if found := sorted(file for file in files if _ends_in(file, suffixes)):
                    return found
            raise NoFileError(f"{place} has no file that ends in {', '.join(sorted(suffixes))}; check `path`.")
        if any(char in place for char in "*?["):
            fixed = place
            while any(char in fixed for char in "*?["):
                fixed = fixed.rpartition("/")[0]
            found = sorted(file for file in _path(fixed or "/").glob(place[len(fixed) :].lstrip("/")) if file.is_file())
            if found:
                return found
        advice = "check bucket and name." if "://" in place else "relative paths count from the file of sources."
        raise NoFileError(f"there is no file at {place}; {advice}")


def _ends_in(file: "UPath", suffixes: "Collection[str]") -> bool:
    name = file.name.lower().removesuffix(".gz")
    return not name.startswith(".") and Path(name).suffix in suffixes


def _path(place: str) -> "UPath":
    from upath import UPath

    if not place.startswith("s3://"):
        return UPath(place)
    # A store that does not answer is given up within seconds: botocore and s3fs both try five times by themselves.
    config = {"connect_timeout": 3, "read_timeout": 30, "retries": {"max_attempts": 1}}
    path = UPath(place, config_kwargs=config)
    path.fs.retries = 2  # pyright: ignore[reportAttributeAccessIssue] - of s3fs
    return path


def _kind(path: "UPath") -> str | None:
    """`file`, `directory`, or None where there is nothing; of an object store, as it is now."""
    if path.protocol in ("", "file", "local"):
        return "file" if path.is_file() else "directory" if path.is_dir() else None
    path.fs.invalidate_cache()
    try:
        return str(path.fs.info(path.path)["type"])
    except FileNotFoundError:
        return None


@contextmanager
def read_errors(place: object) -> Generator[None]:
    """What a disk or an object store answers, as an error in one line.

    Raises:
        NoFileError: the place cannot be read.
    """
    try:
        yield
    except ImportError as error:
        raise NoFileError(f"{place}: {error}; for s3:// addresses, `pip install 'artpipe[s3]'`.") from error
    except OSError as error:
        raise NoFileError(f"{place} cannot be read ({_in_words(error)}); {_advice(place)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _OF_STORES:
            raise
        raise NoFileError(f"{place} cannot be read ({_in_words(error)}); {_advice(place)}") from error


_OF_STORES = ("aiobotocore", "aiohttp", "botocore")


def _in_words(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


def _advice(place: object) -> str:
    if str(place).startswith("s3://"):
        return "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the rights of the key."
    return "check `path` and your rights."

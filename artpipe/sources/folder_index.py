"""The list of the pictures in a folder, made anew for those that changed.

`index.json` holds what the pictures are; `.stamps.json` by which size and time of change a file is known again.
"""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import closest_folder, write_whole
from artpipe.sources.picture_metadata import SUFFIXES, NotAPictureError, read_picture
from artpipe.sources.remarks import Remarks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.progress import Progress

INDEX, STAMPS = "index.json", ".stamps.json"
SAVED_EVERY = 1000
"""Files between two states of `.stamps.json`, which a killed look goes on from."""
_IGNORED = ("thumbs.db", "desktop.ini", "__macosx")


class UnreadableFolderError(ArtpipeError):
    """A folder that is no folder of pictures."""


@dataclass(frozen=True)
class Picture:
    """A picture, or a file that should be one.

    Attributes:
        path: from the folder, with `/` between.
        sha256: of the file.
        width_px: upright.
        height_px: likewise.
        written: title, creators, rights and rights_uri that are written inside.
        problem: why it is of no use.
    """

    path: str
    sha256: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    written: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    problem: str | None = None


@dataclass(frozen=True)
class FolderIndex:
    """The pictures of a folder in the order of their paths, and remarks for a person."""

    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Stamped:
    """What a file was when it had this size and time of change."""

    size: int
    changed_at_ns: int
    picture: Picture


_INDEX, _STAMPS = TypeAdapter(FolderIndex), TypeAdapter(dict[str, _Stamped])


def read_index(folder: "UPath") -> FolderIndex | None:
    """The list of the last look; None where there is none that can be read."""
    try:
        return _INDEX.validate_json((folder / INDEX).read_bytes())
    except (OSError, ValueError):
        return None


def index_folder(root: Path, folder: "UPath", progress: "Progress") -> None:
    """Look at the files of a folder that changed, and write the list.

    Args:
        root: the folder with the pictures.
        folder: where the list is kept.
        progress: advances with each file.

    Raises:
        UnreadableFolderError: it is not there, or has no pictures.
    """
    if not root.is_dir():
        raise UnreadableFolderError(
            f"there is no folder {root} (the closest is {closest_folder(root)}); check `path` in the file of sources."
        )
    remarks = Remarks()
    files = sorted(_files(root, remarks), key=lambda file: file.relative_to(root).as_posix())
    if not files:
        listed = ", ".join(sorted(SUFFIXES))
        raise UnreadableFolderError(f"{root} has no pictures (files that end in {listed}); check `path`.")
    known, pictures, seen = _read_stamps(folder), list[Picture](), dict[str, _Stamped]()
    with progress.track("pictures", len(files), "files") as step:
        for number, file in enumerate(files, start=1):
            picture, stamp = _looked_at(root, file, known)
            pictures.append(picture)
            if stamp is not None:
                seen[picture.path] = stamp
            if number % SAVED_EVERY == 0:
                write_whole(folder / STAMPS, _STAMPS.dump_json({**known, **seen}))
            step.advance()
    write_whole(folder / STAMPS, _STAMPS.dump_json(seen))
    write_whole(folder / INDEX, _INDEX.dump_json(FolderIndex(tuple(pictures), remarks.sentences()), indent=1))


def _read_stamps(folder: "UPath") -> dict[str, _Stamped]:
    try:
        return _STAMPS.validate_json((folder / STAMPS).read_bytes())
    except (OSError, ValueError):
        return {}


def _files(root: Path, remarks: Remarks) -> Iterator[Path]:
    """The files that are named like pictures; what is left out is said."""

    def unreadable(error: OSError) -> None:
        remarks.add(f"folders could not be read ({error.strerror})", str(error.filename))

    real_root = root.resolve()
    for place, folders, names in os.walk(root, onerror=unreadable):
        at = Path(place)
        for name in [name for name in folders if (at / name).is_symlink()]:
            remarks.add("links to folders are not followed", str(at / name))
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        for name in names:
            file = at / name
            if _is_ignored(name):
                continue
            if file.suffix.lower() not in SUFFIXES:
                remarks.add("files are no pictures by their names", _shown(file))
            elif file.is_symlink() and not file.resolve().is_relative_to(real_root):
                remarks.add("links lead out of the folder, and are left out", _shown(file))
            else:
                yield file


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _IGNORED


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "replace").decode()


def _looked_at(root: Path, file: Path, known: Mapping[str, _Stamped]) -> tuple[Picture, _Stamped | None]:
    """What a file is: as it was where neither size nor time of change differ."""
    path = file.relative_to(root).as_posix()
    try:
        path.encode()
    except UnicodeEncodeError:
        return Picture(_shown(file.relative_to(root)), problem="its name is not in UTF-8; rename it"), None
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            return Picture(path, problem="it is not a file"), None
        before = known.get(path)
        if before and (before.size, before.changed_at_ns) == (found.st_size, found.st_mtime_ns):
            return before.picture, before
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        picture = _picture(file, path, sha256)
    except OSError as error:
        return Picture(path, problem=f"it cannot be read ({error.strerror or error}); check its rights"), None
    return picture, _Stamped(found.st_size, found.st_mtime_ns, picture)


def _picture(file: Path, path: str, sha256: str) -> Picture:
    try:
        found = read_picture(file)
    except NotAPictureError as error:
        return Picture(path, sha256, problem=str(error))
    written = {
        name: kept
        for name, texts in found.written.items()
        if (kept := [unicodedata.normalize("NFC", text) for text in texts])
    }
    return Picture(path, sha256, found.width_px, found.height_px, written)

"""Every path and table name of the data lake, for a local folder and an object store alike.

Other modules name a file within `reports/`, `index/` or a model's folder; the folders themselves are named here only.
Files are written aside and renamed into place, so that a killed run leaves the old file or the new one, never half of
one.
"""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from difflib import get_close_matches
from functools import cached_property, lru_cache
from io import IOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.format import FORMAT, FORMAT_FILE, read_format, refuse_newer
from artpipe.lake.full_disk import FULL, FullDiskError
from artpipe.lake.lease import ensure_held
from artpipe.lake.object_store import is_local, listed, open_root, whole_object
from artpipe.lake.scratch import adopt_old_caches, scratch_folder

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lancedb.db import DBConnection
    from upath import UPath

_FOLDERS = ("raw", "tables", "models", "reports", "index", "lineage", "refused", "overrides", "checkpoints")
IMAGES_TABLE = "images"
EMBEDDINGS_TABLE = "embeddings"


class UnwritableLakeError(ArtpipeError):
    """The lake's folder cannot be written to."""


class LakeMissingError(ArtpipeError):
    """There is no lake at the address."""


class DamagedLakeError(ArtpipeError):
    """A file of the lake is torn, or otherwise not what was written.

    Args:
        what: the file or the table.
        reason: why it cannot be read, in words.
    """

    def __init__(self, what: object, reason: object) -> None:
        super().__init__(
            f"{what} is damaged ({reason}); run `artpipe refresh`, which makes anew what is damaged and keeps the rest."
        )


class DataLake:
    """Where everything artpipe makes is kept.

    Args:
        root: a local folder, or an fsspec address such as `s3://bucket/prefix`.
        cache: the local folder for what belongs to lakes in an object store and can be made again; by default artpipe's
            in the user's cache folder.
    """

    def __init__(self, root: str | Path, cache: str | None = None) -> None:
        address = expand_home(str(root))
        if "://" in address:  # with a slash at its end, it is the same lake
            protocol, _, place = address.partition("://")
            address = f"{protocol}://{place.rstrip('/')}"
        self._cache, self._is_marked = cache, False
        # Absolute, so that messages name a place, and a notebook may change its folder.
        self._address = address if "://" in address else str(Path(address).absolute())

    @cached_property
    def root(self) -> "UPath":
        """The folder, local or not.

        Raises:
            NewerLakeError: this release cannot read what is there.
            StoreError: it is in an object store that does not answer, or refuses.
        """
        from upath import UPath

        root = open_root(self._address) if "://" in self._address else UPath(self._address)
        refuse_newer(root)
        return root

    def __repr__(self) -> str:
        return f"DataLake({self._address!r})"

    def __reduce__(self) -> "tuple[type[DataLake], tuple[str, str | None]]":
        # Another process opens it by its address.
        return DataLake, (self._address, self._cache)

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return is_local(self.root)

    def listed(self) -> "AbstractContextManager[None]":
        """Within, one listing answers which files there are; see `listed` in `object_store.py`."""
        return listed(self.root, _FOLDERS)

    def raw(self, name: str) -> "UPath":
        """A file as the gallery sent it, `catalog` or `artists`; its metadata is `<name>.json` in the same folder."""
        return self.root / "raw" / name

    def table(self, name: str) -> "UPath":
        """The Parquet file of a table, such as `artworks`."""
        return self.root / "tables" / f"{name}.parquet"

    def raw_source(self, name: str) -> "UPath":
        """The folder of a source's files as it sent them."""
        return self.root / "raw" / "sources" / name

    @property
    def absences(self) -> "UPath":
        """The file of the sources that do not answer."""
        return self.root / "raw" / "away.json"

    @property
    def sources(self) -> "UPath":
        """The file of what the ids of each source begin with."""
        return self.root / "tables" / "sources.json"

    @property
    def tasks(self) -> "UPath":
        """The file of the collection's tasks and their classes."""
        return self.root / "tables" / "tasks.json"

    @property
    def frozen_tasks(self) -> "UPath":
        """The file of the tasks that the training set was frozen with."""
        return self.root / "tables" / "training_tasks.json"

    @property
    def lance_uri(self) -> str:
        """The LanceDB database with `images`, `embeddings` and the tables derived from them."""
        return str(self.root / "lance")

    def lance_table(self, name: str) -> str:
        """The address of one Lance table."""
        return f"{self.lance_uri}/{name}.lance"

    def lance(self, name: str) -> "UPath":
        """The folder of one Lance table."""
        return self.root / "lance" / f"{name}.lance"

    @property
    def lance_tables(self) -> "list[UPath]":
        """The folder of each Lance table that there is."""
        return sorted((self.root / "lance").glob("*.lance"))

    def model(self, model_id: str) -> "UPath":
        """The folder of one trained model, with `model.safetensors` and `model.json`."""
        return self.root / "models" / model_id

    @property
    def models(self) -> "UPath":
        """Where every trained model has its folder."""
        return self.root / "models"

    @property
    def candidate_model(self) -> "UPath":
        """The JSON pointer to the model trained last for the present settings: `{"model_id": ...}`."""
        return self.root / "models" / "candidate.json"

    @property
    def served_model(self) -> "UPath":
        """The JSON pointer to the model that was chosen by its figures, with its history: `{"model_id": ..., ...}`."""
        return self.root / "models" / "served.json"

    @property
    def refitted_model(self) -> "UPath":
        """The JSON pointer to the model that embeds and predicts in place of the chosen one."""
        return self.root / "models" / "refitted.json"

    @property
    def checkpoints(self) -> "UPath":
        """Where a training run keeps its last checkpoint until it has finished."""
        return self.root / "checkpoints"

    def report(self, name: str) -> "UPath":
        """A JSON file or a picture made for people, such as `splits/class_balance.png`."""
        return self.root / "reports" / name

    @property
    def evaluation_report(self) -> "UPath":
        """The JSON of every measurement of the classifier and the embeddings."""
        return self.report("evaluation/report.json")

    def index(self, name: str) -> "UPath":
        """A file of the search index."""
        return self.root / "index" / name

    def lineage(self, asset: str) -> "UPath":
        """The lineage record of an asset: what it was made from."""
        return self.root / "lineage" / f"{asset}.json"

    @property
    def recorded_assets(self) -> list[str]:
        """The assets that have a lineage record."""
        return sorted(file.stem for file in (self.root / "lineage").glob("*.json"))

    @property
    def refusals(self) -> "UPath":
        """Where answers of the gallery that were refused are noted."""
        return self.root / "refused"

    def refusal(self, asset: str) -> "UPath":
        """What was refused the last time that an asset should have been made."""
        return self.refusals / f"{asset}.json"

    def overrides(self, name: str) -> str:
        """The address of a CSV file in which a person corrects the catalogue: `labels` or `same_work`."""
        return f"{self._address}/overrides/{name}.csv"

    @property
    def local_root(self) -> Path:
        """Where its local folders are: the lake itself, or a folder of its own where the lake is in an object store."""
        return Path(str(self.root)) if self.is_local else scratch_folder(self._address, self._cache)

    def local_folder(self, name: str) -> Path:
        """A local folder for what can be made again (decoded pixels, the sample gallery); never in an object store."""
        self.ensure_writable()
        if not self.is_local:
            adopt_old_caches(self.local_root)
        folder = self.local_root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def cache(self, name: str) -> Path:
        """A local folder below `cache/`."""
        return self.local_folder(f"cache/{name}")

    def inference_cache(self, model_id: str) -> Path:
        """Where the vectors and predictions of one model are cached."""
        return self.cache("inference") / model_id

    def lock_file(self, name: str) -> Path:
        """The file of a lock that processes of this machine share, such as `refresh`."""
        return self.local_folder("locks") / f"{name}.lock"

    def connect(self) -> "DBConnection":
        """A LanceDB connection to the lake."""
        import lancedb

        if self.is_local:
            self.ensure_writable()
        return lancedb.connect(self.lance_uri)

    def mark_format(self) -> None:
        """Name the present format in a lake that names none, or an older one."""
        if not self._is_marked and read_format(self.root) != FORMAT:
            write_whole(self.root / FORMAT_FILE, json.dumps({"format": FORMAT}).encode())
        self._is_marked = not self.is_local

    def refuse_other_than_folder(self) -> None:
        """Refuse an address that can be no lake: a file, a link that leads nowhere, a path longer than any can be.

        Raises:
            UnwritableLakeError: it is one.
        """
        if not self.is_local:
            return
        folder = Path(str(self.root))
        try:
            is_taken = not folder.is_dir() and os.path.lexists(folder)
            folder.lstat()
        except (FileNotFoundError, NotADirectoryError):
            is_taken = not _may_be_created(folder)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UnwritableLakeError(f"the lake {folder} cannot be a folder ({why}); set ARTPIPE_LAKE.") from error
        if is_taken:
            raise UnwritableLakeError(
                f"the lake {folder} cannot be a folder: a file or a link is there; point ARTPIPE_LAKE elsewhere."
            )

    @property
    def missing(self) -> str:
        """That there is no lake here, in words, with the folder that may be meant; "" where there is one."""
        if not self.is_local or self.root.exists():
            return ""
        folder = Path(str(self.root))
        shown = str(folder) if str(folder).isprintable() else repr(str(folder))
        return f"there is no data lake at {shown} (the closest folder is {closest_folder(folder)})"

    def refuse_missing(self) -> None:
        """Check that there is a lake to read.

        Raises:
            LakeMissingError: there is none.
            UnwritableLakeError: there can be none.
        """
        self.refuse_other_than_folder()
        if missing := self.missing:
            raise LakeMissingError(f"{missing}; run `artpipe demo`, or set ARTPIPE_LAKE.")

    def ensure_writable(self) -> None:
        """Create the lake's folder if needed.

        Raises:
            UnwritableLakeError: the folder cannot be created or written to.
        """
        if not self.is_local:
            return
        folder = Path(str(self.root))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
                pass
        except OSError as error:
            raise UnwritableLakeError(
                f"the lake {folder} cannot be written to ({error.strerror or error}); "
                "make it writable, free some space, or point ARTPIPE_LAKE elsewhere."
            ) from error


def _may_be_created(folder: Path) -> bool:
    """Whether what there is on the way to a folder are folders."""
    return next(parent for parent in folder.absolute().parents if os.path.lexists(parent)).is_dir()


def expand_home(address: str) -> str:
    """A path with `~` as the home folder; an `s3://` address, or `~` before nobody's name, stays as it is."""
    try:
        return str(Path(address).expanduser()) if address.startswith("~") else address
    except (RuntimeError, ValueError):
        return address


def found_upwards(address: str) -> str:
    """A relative path that is not in the current folder, in the nearest one above that has it; others as they are."""
    path = Path(expand_home(address))
    if "://" in address or path.is_absolute() or path.exists():
        return address
    return next((str(folder / path) for folder in Path.cwd().parents if (folder / path).is_dir()), address)


def closest_folder(path: Path) -> Path:
    """The folder that a path which leads nowhere may mean: with misspelt names corrected, up to one that is unknown."""
    found = Path(path.absolute().anchor)
    for name in path.absolute().parts[1:]:
        try:
            names = [name] if (found / name).is_dir() else [each.name for each in found.iterdir() if each.is_dir()]
        except OSError:
            return found
        meant = get_close_matches(name, names, n=1)
        if not meant:
            return found
        found /= meant[0]
    return found


def file_at(address: str) -> "Path | UPath":
    """The file of a path or an `s3://` address; a path needs no library, and loading one takes a while."""
    if "://" not in address:
        return Path(expand_home(address))
    from upath import UPath

    return UPath(address)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; False, too, for what cannot be a path, such as a text longer than any."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError):  # RuntimeError: there is nobody of the name after `~`
        return False


def file_version(address: str) -> str | None:
    """A file by its name and a hash of its content, `labels.csv 3f2a...`; None where it cannot be read."""
    try:
        file = file_at(address)
        # The automation calls this every few seconds, also for large weights. An object store may report no time.
        changed_at = file.stat().st_mtime_ns if isinstance(file, Path) and "://" not in address else None
        digest = _digest(address) if changed_at is None else _digest_once(address, changed_at, file.stat().st_size)
    except OSError:
        return None
    return f"{Path(address).name} {digest[:12]}"


def _digest(address: str) -> str:
    return hashlib.sha256(file_at(address).read_bytes()).hexdigest()


@lru_cache(maxsize=16)
def _digest_once(address: str, _changed_at: int, _size: int) -> str:
    return _digest(address)


def write_whole(path: "UPath", data: bytes | IOBase) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    A local file is written aside, flushed to disk and renamed; an object store replaces an object whole by itself.

    Args:
        path: of the file.
        data: its content, or an open file with it.

    Raises:
        FullDiskError: there is no room for it.
        LeaseLostError: another process writes the lake by now.
    """
    ensure_held(path)
    if not is_local(path):
        with whole_object(path) as out:
            _write(out, data)
            ensure_held(path)
        return
    target = Path(str(path))
    aside = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        with os.fdopen(handle, "wb") as out:
            _write(out, data)
            out.flush()
            os.fsync(out.fileno())
        Path(aside).chmod(0o644)
        ensure_held(path)
        Path(aside).replace(target)
    except BaseException as error:
        if aside:
            Path(aside).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL:
            size = data.seek(0, os.SEEK_END) if isinstance(data, IOBase) else len(data)
            raise FullDiskError(target, size) from error
        raise


def remove_file(path: "UPath") -> None:
    """Delete a file of the lake, or none where it is gone already.

    Raises:
        LeaseLostError: another process writes the lake by now.
    """
    ensure_held(path)
    with suppress(FileNotFoundError):
        if is_local(path):
            path.unlink()
        else:  # in one request, where `unlink` asks first whether and what it is
            path.fs.rm_file(path.path)


def _write(out: IO[bytes], data: bytes | IOBase) -> None:
    if isinstance(data, IOBase):
        data.seek(0)
        shutil.copyfileobj(data, out, 1 << 20)
    else:
        out.write(data)

"""Damage: files of a lake that are torn, emptied, gone, or other than they were written.

The lineage record of an asset names what it wrote, each file with its fingerprint. `staleness.py` compares the two, and
a step sets aside what is damaged before it makes the asset again, so that a torn file counts as absent. A Lance table
names its own files with their sizes; of a torn one, every fragment that is whole stays. What cannot be asked at the
moment is no damage, and nothing that could be read is deleted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from artpipe.lake.lance_tables import is_torn, manifests, newest_version, open_lance
from artpipe.lake.lease import ensure_held
from artpipe.lake.paths import DamagedLakeError, DataLake

if TYPE_CHECKING:
    import lance
    from upath import UPath

HASHED_BYTES = 1_000_000
"""Files up to this size are hashed: asking what is stale must not read gigabytes."""
SET_ASIDE = ".broken-"
"""What follows the name of something that was set aside, before the time."""
_VERSION = "version "
_INDICES = "_indices"


def fingerprints(lake: DataLake, files: "Iterable[UPath]") -> dict[str, str]:
    """The fingerprint of each file that exists, by its path in the lake.

    Args:
        lake: whose files.
        files: plain files; Lance tables; or `_indices` in a Lance table, which stands for its indices.
    """
    found: dict[str, str] = {}
    for file in files:
        with suppress(FileNotFoundError, DamagedLakeError):
            found[file.relative_to(lake.root).as_posix()] = _fingerprint(lake, file)
    return found


def find_damage(lake: DataLake, recorded: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the files that a record names, in words, by their paths in the lake; empty where all is well.

    Args:
        lake: whose files.
        recorded: as given by `fingerprints`; a file whose fingerprint is not known, "", has to be readable.
    """
    found = {name: _damage(lake, name, fingerprint) for name, fingerprint in recorded.items()}
    return {name: what for name, what in found.items() if what}


def set_aside_damaged(lake: DataLake, names: Iterable[str]) -> None:
    """Set damaged files aside, so that they count as absent; of a Lance table only what is damaged.

    Args:
        lake: whose files.
        names: keys of `find_damage`.
    """
    for name in names:
        ensure_held(lake.root / name)
        table, part = _in_table(name)
        if table and lake.is_local:
            _mend_table(Path(str(lake.root / table)), of_indices=part == _INDICES)
        elif not table and lake.is_local:
            _set_aside(Path(str(lake.root / name)))
        elif not table:
            (lake.root / name).unlink(missing_ok=True)


def damaged_fragments(dataset: "lance.LanceDataset", folder: Path) -> dict[int, str]:
    """The fragments of a local Lance table whose files are not whole, each with the first such file in words."""
    found: dict[int, str] = {}
    for fragment in dataset.get_fragments():
        sizes = {f"data/{file.path}": file.file_size_bytes for file in fragment.data_files()}
        problems = [_size_problem(folder / name, size) for name, size in sizes.items()]
        if fragment.deletion_file() is not None and not any(problems):
            try:  # the table does not know the size of this file
                fragment.to_table(columns=[], with_row_id=True)
            except (ValueError, OSError):
                problems.append("a list of deleted rows cannot be read")
        if any(problems):
            found[fragment.fragment_id] = next(filter(None, problems))
    return found


def refuse_damaged_table(lake: DataLake, name: str) -> None:
    """Check that the newest version of a Lance table is whole.

    Raises:
        DamagedLakeError: it is not; the message names the file.
    """
    dataset = open_lance(lake.lance_table(name))
    if dataset is not None and lake.is_local:
        for what in damaged_fragments(dataset, Path(lake.lance_table(name))).values():
            raise DamagedLakeError(f"the table {lake.lance_table(name)}", what)


def _fingerprint(lake: DataLake, file: "UPath") -> str:
    table, _ = _in_table(file.relative_to(lake.root).as_posix())
    if table:
        dataset = open_lance(str(lake.root / table))
        if dataset is None:
            raise FileNotFoundError(table)
        return f"{_VERSION}{dataset.version}"
    size = file.stat().st_size
    if not lake.is_local or size > HASHED_BYTES:  # an object store replaces an object whole
        return f"{size}"
    return f"{size} {hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()}"


def _damage(lake: DataLake, name: str, recorded: str) -> str:
    table, part = _in_table(name)
    if table:
        version = int(recorded.removeprefix(_VERSION) or 0)
        return _table_damage(lake, table, version, of_indices=part == _INDICES)
    try:
        if not recorded:
            return "" if _is_readable(lake.root / name, is_local=lake.is_local) else "cannot be read"
        now = _fingerprint(lake, lake.root / name)
    except FileNotFoundError:
        return "is gone"
    except OSError:
        return ""  # it cannot be asked now; whoever reads it says why
    size, _, digest = now.partition(" ")
    recorded_size, _, recorded_digest = recorded.partition(" ")
    if size != recorded_size:
        return f"is torn: {int(size):,} of {int(recorded_size):,} bytes"
    return "is not what was written" if digest and recorded_digest and digest != recorded_digest else ""


def _is_readable(file: "UPath", *, is_local: bool) -> bool:
    """Whether a file has the form of its kind, as far as its size, its beginning and its end show.

    Raises:
        OSError: it cannot be opened.
    """
    with file.open("rb") as opened:
        try:
            if file.suffix == ".parquet":
                from pyarrow.parquet import ParquetFile

                ParquetFile(opened)
            elif file.suffix == ".json":
                json.load(opened)
            elif file.suffix == ".npz":
                ZipFile(opened)
            elif file.suffix == ".safetensors":
                size = file.stat().st_size
                return size == _safetensors_bytes(opened, size)
            else:
                return bool(opened.read(1))
        except OSError:
            return not is_local  # so Arrow calls some torn files; another machine may not have answered
        except (ValueError, KeyError, BadZipFile):
            return False
    return True


def _safetensors_bytes(file: IO[bytes], size: int) -> int:
    """The size that a safetensors file has by its own header; 0 where that is none.

    Source: github.com/huggingface/safetensors, "Format".
    """
    header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes > size:
        return 0
    tensors: dict[str, Any] = json.loads(file.read(header_bytes))
    ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
    return 8 + header_bytes + max(ends, default=0)


def _table_damage(lake: DataLake, table: str, version: int, *, of_indices: bool) -> str:
    if not lake.is_local:
        held = newest_version(lake.root / table)
        is_older = f"is older than it was: version {held} instead of {version}"
        return "is gone" if not held else is_older if held < version else ""
    try:
        dataset = open_lance(str(lake.root / table))
    except DamagedLakeError:
        return "cannot be opened"
    if dataset is None:
        return "is gone"
    if dataset.version < version:
        return f"is older than it was: version {dataset.version} instead of {version}"
    folder = Path(str(lake.root / table))
    for manifest in filter(is_torn, manifests(folder)):
        return f"is torn: {manifest.name}, an earlier state"
    problems = _damaged_indices(dataset, folder) if of_indices else damaged_fragments(dataset, folder)
    first = next(iter(problems.values()), "")
    return f"is torn: {first}" if first else ""


def _damaged_indices(dataset: "lance.LanceDataset", folder: Path) -> dict[str, str]:
    """The indices of a local Lance table whose files are not whole, each with what is wrong."""
    found: dict[str, str] = {}
    for index in dataset.describe_indices():
        for segment in index.segments:
            files = [file for file in (folder / _INDICES / str(segment.uuid)).glob("**/*") if file.is_file()]
            held, whole = sum(file.stat().st_size for file in files), segment.size_bytes
            if whole is not None and held != whole:
                found[index.name] = f"the index {index.name} has {held:,} of {whole:,} bytes"
    return found


def _mend_table(folder: Path, *, of_indices: bool) -> None:
    """Bring a Lance table back to what is whole of it: an older version where the newest cannot be opened.

    Rows of damaged fragments go; the step makes them again, as it makes new ones. A table that cannot be opened in any
    version is set aside, beside the new one.
    """
    import lance

    for manifest in filter(is_torn, manifests(folder)):
        manifest.unlink()
        (folder / "_versions" / "latest_version_hint.json").unlink(missing_ok=True)
    dataset = _opened(folder)
    if dataset is None:
        _set_aside(folder)
        return
    if of_indices:
        for name in _damaged_indices(dataset, folder):
            dataset.drop_index(name)
        return
    fragments = [*damaged_fragments(dataset, folder)]
    if fragments:
        gone = lance.LanceOperation.Delete([], fragments, "true")
        lance.LanceDataset.commit(str(folder), gone, read_version=dataset.version)


def name_aside(place: Path) -> Path:
    """What a file or a folder is called once it is set aside."""
    return place.with_name(f"{place.name}{SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S}")


def _set_aside(place: Path) -> None:
    """Rename a file or a folder; an empty file goes."""
    with suppress(FileNotFoundError):
        if place.is_file() and not place.stat().st_size:
            place.unlink()
        else:
            place.rename(name_aside(place))


def _opened(folder: Path) -> "lance.LanceDataset | None":
    try:
        return open_lance(str(folder))
    except DamagedLakeError:
        return None


def _size_problem(file: Path, size: int | None) -> str:
    try:
        held = file.stat().st_size
    except FileNotFoundError:
        return f"{file.name} is gone"
    return f"{file.name} has {held:,} of {size:,} bytes" if size is not None and held != size else ""


def _in_table(name: str) -> tuple[str, str]:
    """The Lance table that a path in the lake is or is in, and what follows it; empty for a plain file."""
    head, found, tail = name.partition(".lance")
    return (head + found, tail.strip("/")) if found else ("", "")

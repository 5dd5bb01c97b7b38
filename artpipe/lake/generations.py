"""The numbered files of a lock, in a folder or an object store; each is created by one process only."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError
from artpipe.lake.full_disk import causes
from artpipe.lake.object_store import is_local, read_small

if TYPE_CHECKING:
    from upath import UPath

_DIGITS = 10
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK)
"""What `link` fails with where a file system has none."""


class StoreWithoutConditionsError(ArtpipeError):
    """An object store writes an object again that should be written only where there is none."""

    def __init__(self, folder: "UPath", why: str) -> None:
        endpoint = getattr(folder.fs, "endpoint_url", None) or "the endpoint in use"
        super().__init__(
            f"the object store of {folder.parent.parent} ({endpoint}) cannot write an object only where there is none "
            f"({why}), so that two machines could write the lake at once. Keep the lake in a store that obeys "
            "If-None-Match, such as AWS S3, Ceph, MinIO or Cloudflare R2, or in a folder."
        )


class Generations:
    """The numbered files in a folder, from 1 on.

    Args:
        folder: local, or in an object store.
    """

    def __init__(self, folder: "UPath") -> None:
        self.folder = folder
        self.is_local = is_local(folder)
        self.refusal: Exception | None = None
        """What the store answered last where it did not take a new file."""

    def latest(self) -> tuple[int, bytes]:
        """The highest number and its content; 0 where there is none."""
        while number := self.latest_number():
            with suppress(FileNotFoundError):  # a later one was created, and this one removed
                return number, self._read(number)
        return 0, b""

    def latest_number(self) -> int:
        """The highest number; 0 where there is none."""
        return max(self._numbers(), default=0)

    def create(self, number: int, content: bytes) -> bool:
        """Create a file unless there is one of that number.

        Returns:
            Whether this process created it, which its content must tell apart from every other one's: what a store
            answers is not believed, since it may have executed a request that its library sent again.
        """
        if self._put_new(number, content):
            return True
        try:
            return self._read(number) == content
        except FileNotFoundError:
            return False

    def refuse_store_without_conditions(self, number: int, content: bytes) -> None:
        """Check that a file which exists cannot be created once more.

        Args:
            number: of a file that this process created.
            content: of that file.

        Raises:
            StoreWithoutConditionsError: it was.
        """
        if not self.is_local and self._put_new(number, content):
            self.remove(number)
            raise StoreWithoutConditionsError(self.folder, "it ignores the header If-None-Match")

    def write(self, number: int, content: bytes) -> None:
        """Write a file anew; that of its creator alone."""
        if self.is_local:
            aside = self._aside(content)
            aside.replace(self._local(number))
        else:
            self._file(number).write_bytes(content)

    def write_in_place(self, number: int, content: bytes) -> None:
        """As `write`, where there is no room for a second file; the content is no longer than what is there."""
        with self._file(number).open("r+b") as file:
            file.write(content)
            file.truncate()

    def remove(self, *numbers: int) -> None:
        """Remove files; those that are gone already stay so."""
        for number in numbers:
            with suppress(FileNotFoundError):
                self._file(number).unlink()

    def is_latest(self, number: int) -> bool:
        """Whether there is no higher number; then the files of lower ones are removed."""
        numbers = self._numbers()
        if max(numbers, default=0) != number:
            return False
        self.remove(*(each for each in numbers if each < number))
        return True

    def _numbers(self) -> list[int]:
        store: Any = self.folder.fs
        store.invalidate_cache(self.folder.path)
        try:
            names = [str(path).rpartition("/")[2] for path in store.ls(self.folder.path, detail=False)]
        except FileNotFoundError:
            return []
        return [int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal()]

    def _put_new(self, number: int, content: bytes) -> bool:
        """Whether the folder or the store took a new file."""
        if self.is_local:
            return self._link_new(number, content)
        try:
            self.folder.fs.pipe_file(self._file(number).path, content, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            codes = [str(getattr(cause, "response", {}).get("Error", {}).get("Code", "")) for cause in causes(error)]
            if "NotImplemented" in codes:
                raise StoreWithoutConditionsError(self.folder, "it does not know the header If-None-Match") from error
            # The loser of a race is told so in as many ways as there are stores; EINVAL is how fsspec calls Ceph's.
            is_lost = isinstance(error, OSError) and error.errno == errno.EINVAL
            if is_lost or {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"} & {*codes}:
                self.refusal = error
                return False
            raise
        return True

    def _link_new(self, number: int, content: bytes) -> bool:
        aside, place = self._aside(content), self._local(number)
        try:
            os.link(aside, place)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                with place.open("xb") as file:
                    file.write(content)
            except FileExistsError:
                return False
        finally:
            aside.unlink(missing_ok=True)
        return True

    def _aside(self, content: bytes) -> Path:
        folder = Path(self.folder.path)
        folder.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=folder, prefix=".")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).chmod(0o644)
        return Path(aside)

    def _read(self, number: int) -> bytes:
        return read_small(self._file(number))

    def _file(self, number: int) -> "UPath":
        return self.folder / f"{number:0{_DIGITS}}.json"

    def _local(self, number: int) -> Path:
        return Path(self._file(number).path)

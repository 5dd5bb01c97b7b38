"""Pictures of strangers are opened in processes of their own, which can be ended: a thread that hangs cannot.

A worker has a ceiling on memory, dies with its work when it takes too long, and is replaced.
"""

import io
import logging
import multiprocessing
import queue
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

logger = logging.getLogger(__name__)

MAX_PIXELS = 64_000_000
LEAST_SIDE_PX = 24
LONGEST_TO_SHORTEST = 20
_MEMORY_BYTES = 3 * 1024**3
_START_S = 60.0


class UploadRefusedError(ArtpipeError):
    """A visitor's file cannot be used.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class DecodingLimits:
    """What a picture may cost: its short side as stored, and the seconds that opening it may take."""

    short_side_px: int = 320
    seconds: float = 8.0


class DecodingWorkers:
    """Some processes that turn untrusted bytes into the JPEG that the model looks at.

    Args:
        limits: what a picture may cost.
        count: how many open pictures at a time.
    """

    def __init__(self, limits: DecodingLimits | None = None, count: int = 2) -> None:
        self.limits = limits or DecodingLimits()
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._closed = threading.Event()
        for _ in range(count):
            self._idle.put(_Worker(self.limits.short_side_px))

    def warm(self) -> None:
        """Start every worker in the background."""
        threading.Thread(target=self._start_all, name="artpipe-decoding", daemon=True).start()

    def decode(self, data: bytes) -> bytes:
        """The picture as the collection would store it.

        Raises:
            UploadRefusedError: it is no picture that can be used, or takes too long; the message says what to do.
        """
        worker = self._idle.get()
        try:
            return worker.ask(data, self.limits.seconds)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End every worker."""
        self._closed.set()
        for _ in range(self._idle.qsize()):
            self._idle.get().stop()

    def _start_all(self) -> None:
        waiting = [self._idle.get() for _ in range(self._idle.qsize())]
        for worker in waiting:
            try:
                if not self._closed.is_set():
                    worker.start()
            except UploadRefusedError as error:
                logger.warning("%s", error)
            finally:
                self._idle.put(worker)


class _Worker:
    def __init__(self, short_side_px: int) -> None:
        self._short_side_px = short_side_px
        self._process: SpawnProcess | None = None
        self._pipe: Any = None  # a Connection, named otherwise on Windows

    def start(self) -> Any:
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        self.stop()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._short_side_px), daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        try:
            is_ready = ours.poll(_START_S) and ours.recv() == "ready"
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            self.stop()
            raise UploadRefusedError("pictures cannot be opened at the moment; try again.", 503)
        return ours

    def ask(self, data: bytes, seconds: float) -> bytes:
        pipe = self.start()
        try:
            pipe.send_bytes(data)
            if not pipe.poll(seconds):
                self.stop()
                raise UploadRefusedError(
                    f"opening the picture took longer than {seconds:g} seconds and was given up; save it as a plain "
                    "JPEG and try that."
                )
            told: tuple[str, Any] = pipe.recv()
        except (EOFError, OSError) as error:
            self.stop()
            raise UploadRefusedError(
                "the picture could not be opened, and ended the program that tried; save it as a plain JPEG instead."
            ) from error
        kind, answer = told
        if kind == "jpeg":
            return answer
        raise UploadRefusedError(*answer)

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


def _work(pipe: Connection, short_side_px: int) -> None:
    """What a worker does until its pipe is closed."""
    import signal

    from artpipe.images.decode import pillow_quiet

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    pipe.send("ready")
    with pillow_quiet():
        while True:
            try:
                data = pipe.recv_bytes()
            except (EOFError, OSError):
                return
            try:
                answer: tuple[str, Any] = ("jpeg", open_stranger(data, short_side_px))
            except UploadRefusedError as error:
                answer = ("refused", (str(error), error.status))
            except MemoryError:
                answer = ("refused", ("the picture needs too much memory; give a smaller one.", 413))
            pipe.send(answer)


def open_stranger(data: bytes, short_side_px: int) -> bytes:
    """Decode a stranger's picture here, within the limits on its shape and size.

    Raises:
        UploadRefusedError: it cannot be used; the message says why and what to do.
    """
    from artpipe.images.decode import NotAnImageError, TooManyPixelsError, stored_jpeg

    size = _announced_size(data)
    if size is not None and (min(size) < LEAST_SIDE_PX or max(size) > min(size) * LONGEST_TO_SHORTEST):
        raise UploadRefusedError(
            f"the picture has {size[0]:,} x {size[1]:,} pixels, which is too narrow to compare; "
            f"give one of at least {LEAST_SIDE_PX} pixels a side."
        )
    try:
        return stored_jpeg(data, short_side_px, MAX_PIXELS)
    except TooManyPixelsError as error:
        raise UploadRefusedError(str(error), 413) from error
    except NotAnImageError as error:
        raise UploadRefusedError(str(error), 415) from error
    except ArtpipeError as error:
        raise UploadRefusedError(str(error)) from error


def _announced_size(data: bytes) -> tuple[int, int] | None:
    """What the header says; None where it cannot be read, which the decoder explains better."""
    from PIL import Image

    from artpipe.images.decode import FORMATS

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.size
    except Exception:  # noqa: BLE001 - damaged headers bring anything out of Pillow's readers
        return None


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # there is none on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))

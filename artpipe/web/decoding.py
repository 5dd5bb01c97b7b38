"""Decode untrusted pictures in worker processes, which can be killed when they hang; a thread cannot.

A worker has a memory limit, is killed when a picture exceeds its time limit, and is then replaced. The standard
library's process pools cannot kill one hanging worker, which is why this module has its own.
"""

import logging
import multiprocessing
import queue
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

logger = logging.getLogger(__name__)

MAX_PIXELS = 64_000_000
"""Of a JPEG, and of the first of a file of several, which are decoded at a reduced size."""
MAX_PIXELS_WHOLE = 25_000_000
"""Of other formats, which are decoded whole while others wait: a PNG of so many took 0.7 s."""
_MEMORY_BYTES = 3 * 1024**3
_START_S = 60.0


class UploadRefusedError(ArtpipeError):
    """An uploaded file cannot be used.

    Attributes:
        status: of the HTTP response.
    """

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class DecodingWorkers:
    """A pool of processes that turn untrusted bytes into the JPEG that the model takes.

    Args:
        short_side_px: to which pictures are resized.
        seconds: time limit for decoding one.
        count: number of processes.
    """

    def __init__(self, short_side_px: int, seconds: float, count: int = 2) -> None:
        self.seconds, self.count = seconds, count
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._is_closed = False
        for _ in range(count):
            self._idle.put(_Worker(short_side_px))

    def warm_up(self) -> threading.Thread:
        """Start every worker, in the thread that is returned."""
        thread = threading.Thread(target=self._start_all, name="artpipe-decoding", daemon=True)
        thread.start()
        return thread

    def decode(self, data: bytes) -> bytes:
        """The picture as the collection would store it.

        Raises:
            UploadRefusedError: the picture is unusable or exceeds a limit; the message has the next step.
        """
        worker = self._idle.get()
        try:
            return worker.decode(data, self.seconds)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Stop every idle worker; the others end with this process."""
        self._is_closed = True
        for _ in range(self._idle.qsize()):
            self._idle.get().stop()

    def _start_all(self) -> None:
        for worker in [self._idle.get() for _ in range(self._idle.qsize())]:
            try:
                if not self._is_closed:
                    worker.start()
            except UploadRefusedError as error:
                logger.warning("%s", error)
            finally:
                self._idle.put(worker)


class _Worker:
    def __init__(self, short_side_px: int) -> None:
        self._short_side_px = short_side_px
        self._process: SpawnProcess | None = None
        self._pipe: Any = None  # a Connection; another class on Windows

    def start(self) -> Any:
        """The pipe to a live process."""
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run_worker, args=(theirs, self._short_side_px), daemon=True)
        self._process.start()
        theirs.close()
        try:
            is_ready = self._pipe.poll(_START_S) and self._pipe.recv() == "ready"
        except (EOFError, OSError):
            is_ready = False
        if not is_ready:
            self.stop()
            raise UploadRefusedError("pictures cannot be decoded at the moment; try again.", 503)
        return self._pipe

    def decode(self, data: bytes, seconds: float) -> bytes:
        pipe = self.start()
        try:
            pipe.send_bytes(data)
            if not pipe.poll(seconds):
                self.stop()
                raise UploadRefusedError(
                    f"decoding the picture took longer than {seconds:g} seconds; save it as a plain JPEG and try again."
                )
            answer: bytes | UploadRefusedError = pipe.recv()
        except (EOFError, OSError) as error:
            self.stop()
            raise UploadRefusedError(
                "the picture crashed the decoder; save it as a plain JPEG and try again."
            ) from error
        if isinstance(answer, UploadRefusedError):
            raise answer
        return answer

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


def _run_worker(pipe: Connection, short_side_px: int) -> None:
    """Decode pictures until the pipe is closed."""
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
                answer: bytes | UploadRefusedError = decode_untrusted(data, short_side_px)
            except UploadRefusedError as error:
                answer = error
            except MemoryError:
                answer = UploadRefusedError("the picture needs too much memory; send a smaller one.", 413)
            pipe.send(answer)


def decode_untrusted(data: bytes, short_side_px: int) -> bytes:
    """Decode a picture in this process, within the limits on its size and aspect ratio.

    Raises:
        UploadRefusedError: it cannot be used; the message has the reason and the next step.
    """
    from artpipe.images.decode import NotAnImageError, TooManyPixelsError, stored_jpeg

    try:
        return stored_jpeg(data, short_side_px, MAX_PIXELS if data.startswith(b"\xff\xd8") else MAX_PIXELS_WHOLE)
    except ArtpipeError as error:
        status = 413 if isinstance(error, TooManyPixelsError) else 415 if isinstance(error, NotAnImageError) else 422
        raise UploadRefusedError(str(error), status) from error


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))

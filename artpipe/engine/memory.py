"""Freed memory that the process keeps between steps of work, instead of returning it to the system each time.

Activations are tens of megabytes. glibc asks the kernel for each block of that size and returns it when it is freed,
so that every training step pays for fresh, zeroed pages: on two cores, MobileNetV3-small at 224 px and batches of 64
steps 1.5 times as fast without that, batches of 32 1.15 times, and inference of `tf_efficientnet_lite0` at 288 px
is 1.6 to 1.8 times as fast. Kept between shards too, MobileNetV3-small embeds with a tenth less processor time, and the
process has the same peak.
"""

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager

# From glibc's malloc.h, with its defaults.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_DEFAULT_TRIM_BYTES, _DEFAULT_MMAPS = 128 * 1024, 65536
_NO_LIMIT = 2**31 - 1


@contextmanager
def reused_memory() -> Generator[None]:
    """Keep freed memory in the process while the context lasts, and return it at the end.

    Does nothing where the C library is not glibc.
    """
    keep_freed_memory()
    try:
        yield
    finally:
        if library := _glibc():
            library.mallopt(_MMAP_MAX, _DEFAULT_MMAPS)
            library.mallopt(_TRIM_THRESHOLD, _DEFAULT_TRIM_BYTES)
            library.malloc_trim(0)


def keep_freed_memory() -> None:
    """Keep freed memory in the process from now on, for one that does nothing else."""
    if library := _glibc():
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NO_LIMIT)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    has_all = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return library if has_all else None

"""Object stores: whether the one of a lake answers, and what its errors mean in words."""

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError
from artpipe.lake.full_disk import causes

if TYPE_CHECKING:
    from upath import UPath

ANSWER_WITHIN_S = 6.0
"""How long the first request to a store may take, with what its library tries again."""
_ONE_REQUEST = {"max_concurrency": 1}
_NO_BUCKET = ("NoSuchBucket", "InvalidBucketName")
_WRONG_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InvalidToken", "ExpiredToken", "403")
_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE)"
_SILENT = ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "SSLError")
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")


class StoreError(ArtpipeError):
    """The object store of a lake does not answer, or refuses."""


class MissingLibraryError(StoreError):
    """The library for a kind of address is not installed."""


def is_local(path: "UPath") -> bool:
    """Whether a path is of this machine."""
    return path.protocol in ("", "file", "local")


def open_root(address: str) -> "UPath":
    """The root of a lake in an object store; nothing is asked yet.

    Raises:
        MissingLibraryError: the library for such addresses is not installed.
    """
    from upath import UPath

    try:
        root = UPath(address)
        root.fs  # noqa: B018 - imports the library
    except ImportError as error:
        raise MissingLibraryError(
            f"{address} cannot be opened: {error}; for s3:// addresses, `pip install 'artpipe[s3]'`."
        ) from error
    return root


def read_small(file: "UPath") -> bytes:
    """The content of a small file; of s3fs in one request, where it would ask for the size first."""
    if file.protocol != "s3":
        return file.read_bytes()
    store: Any = file.fs
    return store.cat_file(file.path, **_ONE_REQUEST)


def read_first(file: "UPath") -> bytes | None:
    """Read the file that is asked for first in a store; None where there is none.

    Raises:
        StoreError: the store refuses, or does not answer within `ANSWER_WITHIN_S`; the message says why.
    """
    from fsspec.asyn import sync

    store: Any = file.fs
    try:
        if store.async_impl:  # which alone has a time limit
            options: Any = _ONE_REQUEST if file.protocol == "s3" else {}
            read = store._cat_file  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what `cat_file` runs
            return sync(store.loop, read, file.path, **options, timeout=ANSWER_WITHIN_S)
        return store.cat_file(file.path)
    except Exception as error:
        if (explained := store_failure(error, str(file.parent))) is not None:
            raise explained from error
        if isinstance(error, FileNotFoundError):
            return None
        raise


@contextmanager
def whole_object(file: "UPath") -> Generator[IO[bytes]]:
    """An object to write, which is there once this ends; where it ends with an error, what was there before stays."""
    out: Any = file.open("wb")
    try:
        yield out
    except BaseException:
        with suppress(Exception):
            out.closed = True  # whoever closes it publishes it
            out.discard()
        raise
    out.close()


@contextmanager
def listed(root: "UPath", folders: Iterable[str]) -> Generator[None]:
    """Let one listing answer which files are below a folder, and their sizes; a write makes its folder be asked again.

    Args:
        root: a folder in an object store, or one on this machine, which needs no listing.
        folders: those in it that may be there.
    """
    if is_local(root):
        yield
        return
    store: Any = root.fs
    store.invalidate_cache()
    path = root.path.rstrip("/")  # that of a bucket itself ends with one
    store.find(path)
    # The library keeps what it found, of a bucket itself only the folders; it would ask for each file of an absent one.
    if any(f"{found}/".startswith(f"{path}/") for found in store.dircache):
        for folder in folders:
            store.dircache.setdefault(f"{path}/{folder}", [])
    try:
        yield
    finally:
        store.invalidate_cache()


class Unchanged:
    """Small files that were read before, by what a listing says of them."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, bytes]] = {}

    def read(self, file: "UPath") -> bytes:
        """The content of a file, which is asked for only where it is not the one that was read last.

        Raises:
            FileNotFoundError: it does not exist.
        """
        if is_local(file):
            return file.read_bytes()
        etag = file.fs.info(file.path).get("ETag")
        held = self._read.get(str(file))
        if held is None or etag is None or held[0] != etag:
            held = self._read[str(file)] = etag, read_small(file)
        return held[1]


def store_failure(error: BaseException, address: str) -> StoreError | None:
    """What an error of a store's library means, with the next step; None where it says something else.

    Args:
        error: of fsspec, botocore or Lance.
        address: of the lake.
    """
    for cause in causes(error):
        kind, code, text = type(cause).__name__, _code(cause), str(cause)
        if code in _NO_BUCKET or (kind == "FileNotFoundError" and "bucket does not exist" in text):
            bucket = address.partition("://")[2].partition("/")[0]
            return StoreError(f"there is no bucket {bucket!r} ({address}); create it, or correct the address.")
        if code in _WRONG_KEY:
            return StoreError(f"the store of {address} refuses the key ({text}); check {_KEYS}, and its permissions.")
        if code == "404":
            return StoreError(f"what answers for {address} is no object store ({text}); check AWS_ENDPOINT_URL.")
        if kind in _NO_KEYS:
            return StoreError(f"there is no key for {address} ({text}); set {_KEYS}.")
        if kind in (*_SILENT, "FSTimeoutError", "ClientConnectorError") or _is_silence_to_lance(text):
            why = text or f"no answer within {ANSWER_WITHIN_S:g} seconds"
            return StoreError(
                f"the store of {address} does not answer ({why}); check AWS_ENDPOINT_URL and the network."
            )
    return None


def _code(error: BaseException) -> str:
    """The code of an answer of S3, whichever library received it."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    found = re.search(r"<Code>(\w+)</Code>", str(error))  # Lance quotes the answer
    return found[1] if found else ""


def _is_silence_to_lance(text: str) -> bool:
    return "Generic S3 error" in text and ("error sending request" in text or "connection error" in text.lower())

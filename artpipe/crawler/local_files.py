"""Files of this machine as responses, so that a folder of pictures is harvested as a gallery is."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from artpipe.crawler.outcome import Outcome, Request, Response


def local_response(request: Request, folders: Sequence[Path]) -> Response:
    """Read a file as if it were requested; its size and time of change are its ETag.

    Args:
        request: with a `file:` address; a fragment of it is not part of the path.
        folders: those whose files may be read; a link that leads out of them is refused.
    """
    path = Path(url2pathname(urlsplit(request.url).path))
    try:
        real = path.resolve(strict=True)
        if not any(real.is_relative_to(folder.resolve()) for folder in folders):
            return Response(Outcome.REFUSED, error=f"{path} is outside the folders of the sources")
        found = real.stat()
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        if request.etag == etag:
            return Response(Outcome.NOT_MODIFIED, etag=etag, tries=1)
        return Response(Outcome.OK, body=real.read_bytes(), etag=etag, tries=1)
    except FileNotFoundError:
        return Response(Outcome.GONE, error=f"{path} does not exist")
    except (OSError, ValueError) as error:
        return Response(Outcome.FAILED, error=f"{path} cannot be read: {error}", tries=1)

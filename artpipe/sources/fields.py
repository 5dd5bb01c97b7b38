"""Fields that several adapters have in the file of sources."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from artpipe.tasks import NAME


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]
"""One text, or a list of them."""

TaskName = Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]


def checked_address(url: str) -> str:
    """The address.

    Raises:
        ValueError: it is not one of http or https.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an address of http or https")
    return url

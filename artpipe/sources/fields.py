"""Fields that several adapters have in the file of sources."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from artpipe.crawler.addresses import checked_parts
from artpipe.settings import may_hold_login
from artpipe.tasks import NAME


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]
"""One text, or a list of them."""

TaskName = Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]


def refuse_login(address: str) -> None:
    """Refuse an address that holds a login, of whatever scheme; the message does not repeat it.

    Raises:
        ValueError: it does, or may.
    """
    # An address is kept in the lake and shown; headers and the environment are neither.
    if re.match("https?://", address.strip(), re.IGNORECASE):
        if _WEB_LOGIN.match(address.strip()):
            raise ValueError("an address may hold no login; send it by `headers`, as `Authorization: ${VARIABLE}`")
    elif may_hold_login(address):
        raise ValueError(
            "an address may hold no login; give the keys of an object store as AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )


_WEB_LOGIN = re.compile(r"[a-z]+://(?:[^/?#]*@|[^/?#:\[]*:(?!\d*(?:[/?#]|$)).*@)", re.DOTALL | re.IGNORECASE)
"""What comes after a colon and is no port is a password, which may have a "/"."""


def checked_address(url: str) -> str:
    """The address, without white space at its ends.

    Raises:
        ValueError: it is not one of http or https, or holds a login.
    """
    refuse_login(url)
    url = url.strip()
    try:
        checked_parts(url)
    except ValueError as error:
        shown = "it" if "@" in url else repr(url)  # what lacks its scheme may begin with a login
        raise ValueError(f"{shown} is not an address of http or https: {error}") from None
    return url


WebAddress = Annotated[str, AfterValidator(checked_address)]
"""An address of http or https without a login."""


def _checked_template(url: str) -> str:
    refuse_login(url)
    checked_address(re.sub(r"\{[^{}]*\}", "1", url))
    return url.strip()


WebTemplate = Annotated[str, AfterValidator(_checked_template)]
"""Such an address with columns in braces."""


def _checked_host(host: str) -> str:
    if "@" in host or "/" in host:
        raise ValueError("a host is `name` or `name:port`, without a scheme, a path or a login")
    return host


HostName = Annotated[str, AfterValidator(_checked_host)]

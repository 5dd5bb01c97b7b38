"""Who may correct labels in the pages, and the protection of the forms against other sites (CSRF).

Nobody, by default: then the pages do not exist. With a token, an editor types it once. On loopback, an editor is who
opens the address with the key that the server prints at its start: a proxy or a tunnel on this machine may pass
requests of others on without a trace. An editor has a cookie that names them, signed by the server and never sent from
other sites. Every form has a token that belongs to the cookie, and a request that another site started is refused.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response

from artpipe.crawler.limits import is_loopback

if TYPE_CHECKING:
    from artpipe.splits.overrides import Override

COOKIE = "artpipe-editor"
PATH = "/corrections"
MAX_FORM_BYTES = 8_192
_COOKIE_S = 30 * 24 * 3600
_MAX_NAME = 60
_MAX_UNDO = 50
_MAX_EDITORS = 200
_PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


@dataclass(frozen=True)
class Editor:
    """A person who may correct labels.

    Attributes:
        name: what corrections are signed with.
        session: random, of this browser.
    """

    name: str
    session: str


@dataclass(frozen=True)
class Decision:
    """A line that an editor wrote, to be taken back.

    Attributes:
        file: where it was written.
        written: the line.
        before: the line that it replaced, if any.
        summary: what was decided, in words.
    """

    file: str
    written: "Override"
    before: "Override | None"
    summary: str


class Editing:
    """Recognises editors, and remembers what each decided last.

    Args:
        mode: `off`, `loopback`, or the token that an editor types.
        key: what the address has that makes a browser of this machine an editor's.
    """

    def __init__(self, mode: str, key: str) -> None:
        self._key_of_address = key
        self._token = mode if mode not in ("off", "loopback") else None
        self.is_on, self.needs_token = mode != "off", self._token is not None
        # Those who typed the token need not do so again after a restart.
        self._key = hashlib.sha256(mode.encode()).digest() if self._token else secrets.token_bytes(32)
        self._decisions: OrderedDict[str, deque[Decision]] = OrderedDict()

    def refuse_others(self, request: Request) -> None:
        """Refuse a request where corrections are off, or are for this machine alone and it comes from elsewhere.

        Raises:
            HTTPException: 404; to others these pages do not exist.
        """
        if not self.is_on or (not self.needs_token and not _is_from_this_machine(request)):
            raise HTTPException(404)

    def is_offered_to(self, request: Request) -> bool:
        """Whether pages link to the corrections: where a token is typed, or for an editor on this machine."""
        if self.needs_token:
            return True
        return self.is_on and _is_from_this_machine(request) and self.editor_of(request) is not None

    def editor_of(self, request: Request) -> Editor | None:
        """The editor who sends a request; None where nobody is known."""
        encoded, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        if not encoded or not hmac.compare_digest(signature.encode(), self._signed("editor", encoded).encode()):
            return None
        try:
            name, _, session = base64.urlsafe_b64decode(encoded).decode().rpartition("\n")
        except (ValueError, binascii.Error):
            return None
        return Editor(name, session)

    def is_key(self, text: str) -> bool:
        """Whether a text is the key that the server printed."""
        return hmac.compare_digest(text.encode(), self._key_of_address.encode())

    def admit(self, name: str) -> Editor:
        """A new editor of this name."""
        return Editor(" ".join(name.split())[:_MAX_NAME] or "somebody", secrets.token_hex(8))

    def is_token(self, text: str) -> bool:
        """Whether a text is the token."""
        return self._token is not None and hmac.compare_digest(text.strip().encode(), self._token.encode())

    def set_cookie(self, response: Response, request: Request, editor: Editor) -> None:
        """Let a browser keep an editor."""
        encoded = base64.urlsafe_b64encode(f"{editor.name}\n{editor.session}".encode()).decode()
        response.set_cookie(
            COOKIE,
            f"{encoded}.{self._signed('editor', encoded)}",
            max_age=_COOKIE_S,
            path=f"{request.scope.get('root_path', '')}/",  # every page links to the corrections, for editors
            secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
            httponly=True,
            samesite="strict",
        )

    def form_token(self, editor: Editor) -> str:
        """What every form of an editor has."""
        return self._signed("form", editor.session)

    def check_form(self, editor: Editor, token: str) -> None:
        """Refuse a form without the token of its editor.

        Raises:
            HTTPException: 403.
        """
        if not hmac.compare_digest(token.encode(), self.form_token(editor).encode()):
            raise HTTPException(403, "This form is not from these pages, or too old; go back, reload and try again.")

    def remember(self, editor: Editor, decision: Decision) -> None:
        """Keep a decision, so that its editor can take it back."""
        self._decisions.setdefault(editor.session, deque(maxlen=_MAX_UNDO)).append(decision)
        self._decisions.move_to_end(editor.session)
        while len(self._decisions) > _MAX_EDITORS:
            self._decisions.popitem(last=False)

    def last_of(self, editor: Editor) -> Decision | None:
        """What an editor decided last, and did not take back."""
        decisions = self._decisions.get(editor.session)
        return decisions[-1] if decisions else None

    def forget_last(self, editor: Editor) -> None:
        """The last decision was taken back."""
        self._decisions[editor.session].pop()

    def _signed(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()


def refuse_other_sites(request: Request) -> None:
    """Refuse a form that another site sent, and one that is larger than any of ours.

    Raises:
        HTTPException: 403 or 413.
    """
    origin = request.headers.get("origin") or request.headers.get("referer") or ""
    fetched_from = request.headers.get("sec-fetch-site", "same-origin")
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if not host or host != request.headers.get("host") or fetched_from != "same-origin":
        raise HTTPException(403, "Corrections are taken from the pages of this site alone.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > MAX_FORM_BYTES:
        raise HTTPException(413, "This form is larger than any of these pages.")


def _is_from_this_machine(request: Request) -> bool:
    """Whether a browser of this machine sent a request, to a name of this machine and not through a proxy."""
    client = request.client.host if request.client else ""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    is_proxied = any(header in request.headers for header in _PROXY_HEADERS)
    return is_loopback(client) and is_loopback(name) and not is_proxied

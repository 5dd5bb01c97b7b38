"""Limits and thresholds of the web app."""

from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Self

from artpipe.crawler.limits import is_loopback
from artpipe.splits.overrides import OverrideFiles

if TYPE_CHECKING:
    from artpipe.settings import Settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class WebConfig:
    """Limits on what a visitor may send, and how labels are displayed.

    Attributes:
        upload_bytes: the largest picture that is accepted.
        upload_grace_s: seconds that a picture may take to arrive, in addition to those that its rate allows.
        upload_bytes_a_second: the lowest rate at which a picture may arrive.
        receiving_bytes: of all pictures that are arriving; beyond that the answer is 503.
        decode_seconds: time limit for decoding a picture.
        max_pending_uploads: pictures that may wait for the model or for a comparison; beyond that the answer is 503.
        max_pending_uploads_of_client: the same, of one client.
        refusal_pause_s: seconds before a picture or an export is refused, so that nobody gains by asking again at once.
        max_pending_exports: exports of one client that may wait for their turn; beyond that the answer is 503.
        abstain_below: a label with a lower probability is displayed as unsure.
        hosts: the names under which the app is reached, such as `collection.museum.example` or `*.museum.example`;
            requests for others are refused. "*" allows every name.
        trusted_proxies: addresses and networks of the reverse proxies that name their visitors in `X-Forwarded-For`.
        has_metrics: whether `/api/metrics` answers.
        root_path: the path below which the app is reached, such as `/art`; empty for none.
        originals_bytes: how much of the gallery's own pictures is kept, where they are passed on to visitors.
        has_replicas: whether other servers answer at the same address; then no answer rests on what one remembers.
        editing: who may correct labels: `off`, `loopback`, or the token that an editor types.
        editing_key: what the address has that makes a browser an editor's where `editing` is `loopback`.
        overrides: where corrections are written; None where none can be.
        retrain_drift: share of changed rows above which the training set thaws.
    """

    upload_bytes: int = 20_000_000
    upload_grace_s: float = 10.0
    upload_bytes_a_second: int = 8_000
    receiving_bytes: int = 400_000_000
    decode_seconds: float = 8.0
    max_pending_uploads: int = 64
    max_pending_uploads_of_client: int = 16
    max_pending_exports: int = 8
    refusal_pause_s: float = 0.0
    abstain_below: float = 0.5
    hosts: tuple[str, ...] = ("*",)
    trusted_proxies: tuple[str, ...] = ()
    has_metrics: bool = True
    root_path: str = ""
    originals_bytes: int = 500_000_000
    has_replicas: bool = False
    editing: str = field(default="off", repr=False)
    editing_key: str = field(default_factory=token_urlsafe, repr=False)
    overrides: OverrideFiles | None = None
    retrain_drift: float = 0.02

    @classmethod
    def from_settings(cls, settings: "Settings", host: str) -> Self:
        """The limits of the settings.

        Args:
            settings: those in force.
            host: the address that the server binds. On loopback only loopback's names are answered where the settings
                name none, so that no other site's page can read the collection through a name of its own.
        """
        return cls(
            upload_bytes=round(settings.web_upload_mb * 1e6),
            refusal_pause_s=1.0,
            abstain_below=settings.abstain_below,
            hosts=settings.web_hosts or (LOOPBACK_NAMES if is_loopback(host) else ("*",)),
            trusted_proxies=settings.web_trusted_proxies,
            has_metrics=settings.web_metrics,
            root_path=settings.web_root_path,
            originals_bytes=round(settings.web_originals_mb * 1e6),
            has_replicas=settings.web_replicas,
            editing=settings.web_editing.get_secret_value(),
            overrides=OverrideFiles.from_settings(settings),
            retrain_drift=settings.retrain_drift,
        )

"""What the web app is told by the settings and the command line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artpipe.settings import Settings


@dataclass(frozen=True)
class WebConfig:
    """How strangers are treated.

    Attributes:
        upload_bytes: the largest picture that is taken.
        decode_seconds: how long opening it may take.
        requests_per_minute: of one client, pictures and style sheets not counted; None for no limit.
        waiting_uploads: pictures that may wait for their turn; more are asked to come again.
        abstain_below: a label that is less probable is told as unsure.
    """

    upload_bytes: int = 20_000_000
    decode_seconds: float = 8.0
    requests_per_minute: int | None = None
    waiting_uploads: int = 64
    abstain_below: float = 0.5

    @classmethod
    def from_settings(cls, settings: "Settings") -> "WebConfig":
        """What the settings say of visitors."""
        return cls(
            upload_bytes=round(settings.web_upload_mb * 1e6),
            requests_per_minute=settings.web_requests_per_minute,
            abstain_below=settings.abstain_below,
        )

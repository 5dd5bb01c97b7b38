"""Limits and thresholds of the web app."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from artpipe.settings import Settings


@dataclass(frozen=True)
class WebConfig:
    """Limits on what a visitor may send, and how labels are displayed.

    Attributes:
        upload_bytes: the largest picture that is accepted.
        decode_seconds: time limit for decoding a picture.
        max_pending_uploads: pictures that may wait for the model or for a comparison; beyond that the answer is 503.
        abstain_below: a label with a lower probability is displayed as unsure.
    """

    upload_bytes: int = 20_000_000
    decode_seconds: float = 8.0
    max_pending_uploads: int = 64
    abstain_below: float = 0.5

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """The limits of the settings."""
        return cls(upload_bytes=round(settings.web_upload_mb * 1e6), abstain_below=settings.abstain_below)

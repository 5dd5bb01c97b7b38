"""What the web app is told by the settings and the command line."""

from dataclasses import dataclass


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

"""Mass loss: an answer of the gallery that would take away too much of what the lake holds is refused.

A gallery that fails seldom says so: half a catalogue, a login page in place of every image and a robots.txt that
forbids everything look like any other answer. So what is held is compared with what the answer would leave, before
anything is stored. Where too much would go, the asset is not made, and the lake keeps what it has and a refusal. The
next refresh asks again. A person accepts a loss that was refused; that accepts no other one.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, remove_file, write_whole

ALWAYS_ALLOWED = 2
"""So many may go at once, whatever share that is: a collection of five works may lose one."""


@dataclass(frozen=True)
class Loss:
    """What an answer would take away of one kind of thing that the lake holds.

    Attributes:
        what: the kind, in the plural, such as "artworks".
        held: how many the lake holds.
        lost: how many of them would go.
        example: one of them, with the reason where there is one.
        among: how many the lake holds in all, where `held` counts only those that the source was asked for.
    """

    what: str
    held: int
    lost: int
    example: str = ""
    among: int = 0

    def allowed(self, max_share: float) -> float:
        """How many may go at once; all, where few were asked for and the lake could lose so many."""
        if self.held <= max_share * self.among:
            return self.held
        return max(ALWAYS_ALLOWED, max_share * self.held)

    def __str__(self) -> str:
        share = self.lost / self.held if self.held else 0.0
        such_as = f", such as {self.example}" if self.example else ""
        return f"{self.lost:,} of {self.held:,} {self.what} ({share:.0%}{such_as})"


@dataclass(frozen=True)
class Refusal:
    """A refused answer, as the lake keeps it until its asset is made again.

    Attributes:
        losses: those that were too large.
        refused_at: when, ISO 8601 in UTC.
    """

    losses: tuple[Loss, ...]
    refused_at: str

    def __str__(self) -> str:
        return (
            f"refused at {self.refused_at}, for it would lose {in_words(self.losses)}; `artpipe refresh` asks again, "
            f"{ACCEPT}"
        )


ACCEPT = "`artpipe refresh --accept-loss` accepts the loss"


class MassLossError(ArtpipeError):
    """Too much would be lost at once.

    Args:
        message: what would be lost, and the next step.
        asset: that was not made.
        losses: those that are too large.
        version: the data version of what the lake holds of the asset, where some of the answer was stored all the same;
            "" where nothing was.
    """

    def __init__(self, message: str, asset: str, losses: Sequence[Loss], version: str = "") -> None:
        super().__init__(message)
        self.asset, self.losses, self.version = asset, tuple(losses), version


@dataclass(frozen=True)
class LossGuard:
    """Decides whether an asset may lose what an answer would take away.

    Attributes:
        lake: which keeps what was refused before.
        asset: the asset.
        max_share: of what is held, that may go at once.
        accepts: whether a person accepts what was refused before.
    """

    lake: DataLake
    asset: str
    max_share: float
    accepts: bool = False

    def allows(self, loss: Loss) -> bool:
        """Whether so much may go: little enough, or accepted.

        A loss can be accepted only after it was refused, and shown: one that is much larger by now, or of another kind,
        has not been seen by anybody.
        """
        allowed = loss.allowed(self.max_share)
        if loss.lost <= allowed:
            return True
        refused = read_refusals(self.lake).get(self.asset) if self.accepts else None
        return refused is not None and any(
            seen.what == loss.what and loss.lost <= seen.lost + allowed for seen in refused.losses
        )

    def check(self, losses: Iterable[Loss], evidence: str) -> None:
        """Refuse an answer that would take away too much; nothing of it may have been stored.

        Args:
            losses: all that the answer would take away.
            evidence: what a person should look at.

        Raises:
            MassLossError: one of the losses is too large.
        """
        large = [loss for loss in losses if loss.lost > loss.allowed(self.max_share)]
        if not all(map(self.allows, large)):
            raise self.refusal(large, evidence)  # also those that were refused before, so that all are seen at once

    def refusal(self, losses: Sequence[Loss], evidence: str, version: str = "") -> MassLossError:
        """The error of a refused answer; arguments as for `check` and `MassLossError`."""
        seen_first = " A loss can be accepted only after it was refused once." if self.accepts else ""
        return MassLossError(
            f"`{self.asset}` would lose {in_words(losses)}, more than ARTPIPE_MAX_LOSS={self.max_share:g} allows at "
            f"once, so the lake keeps what it has. Look at {evidence}: `artpipe refresh` asks again, {ACCEPT}."
            f"{seen_first}",
            self.asset,
            losses,
            version,
        )


def in_words(losses: Iterable[Loss]) -> str:
    """Losses as "63 of 126 artworks (50%) and 3 of 5 artists (60%)"."""
    return " and ".join(map(str, losses))


def write_refusal(lake: DataLake, error: MassLossError) -> None:
    """Keep what was refused, until the asset is made."""
    refusal = Refusal(error.losses, datetime.now(UTC).isoformat(timespec="seconds"))
    write_whole(lake.refusal(error.asset), json.dumps(asdict(refusal), indent=1).encode())


def read_refusals(lake: DataLake) -> dict[str, Refusal]:
    """The refusals that no later run has settled, by asset."""
    found: dict[str, Refusal] = {}
    if not lake.refusals.exists():
        return found
    for file in lake.refusals.glob("*.json"):
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            read = json.loads(file.read_bytes())
            found[file.stem] = Refusal(tuple(Loss(**loss) for loss in read["losses"]), read["refused_at"])
    return found


def settle_refusal(lake: DataLake, asset: str) -> None:
    """Forget what was refused: the asset was made since."""
    remove_file(lake.refusal(asset))

"""Sources that do not answer: since when and why, kept in the lake until they answer again."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

from artpipe.lake.object_store import read_small
from artpipe.lake.paths import DataLake, write_whole


@dataclass(frozen=True)
class Absence:
    """A source that did not answer when it was asked last.

    Attributes:
        since: when it was first asked in vain, ISO 8601 in UTC.
        reason: why it could not be read the last time.
    """

    since: str
    reason: str

    def days(self, now: datetime) -> float:
        """How long it has been away; less than a day counts as a part of one."""
        return (now - datetime.fromisoformat(self.since)).total_seconds() / 86400


def read_absences(lake: DataLake) -> dict[str, Absence]:
    """The sources that did not answer when they were asked last, by name."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        return {name: Absence(**found) for name, found in json.loads(read_small(lake.absences)).items()}
    return {}


def note_absences(lake: DataLake, reasons: Mapping[str, str], now: datetime) -> None:
    """Keep which sources did not answer, and why; those that answered, or are no source any more, are forgotten.

    Args:
        lake: where it is kept.
        reasons: why each source that is away could not be read.
        now: in UTC.
    """
    held = read_absences(lake)
    if not reasons and not held:
        return
    since = now.isoformat(timespec="seconds")
    found = {name: Absence(held[name].since if name in held else since, why) for name, why in reasons.items()}
    write_whole(lake.absences, json.dumps({name: asdict(one) for name, one in found.items()}, indent=1).encode())

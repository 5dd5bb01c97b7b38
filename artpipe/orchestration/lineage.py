"""What each asset of a lake was made from, kept in the lake itself.

A record is written after the asset is complete and taken away before the asset is touched again, so a record that is
there tells the truth about what lies beside it, whatever was killed in between. `reuse.py` compares records with what
an asset would be made from now; nothing is guessed from timestamps.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import cast

from artpipe.lake.paths import DataLake, write_whole

ABSENT = "absent"
"""The data version of an asset that was never made."""


@dataclass(frozen=True)
class Origin:
    """What an asset is made from: equal origins give equal content.

    Attributes:
        code_version: of the asset, the settings that shape it included.
        inputs: the data version of every upstream asset.
    """

    code_version: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """What one asset of the lake holds, what from, and what it cost.

    Attributes:
        data_version: a hash of the content.
        origin: what it was made from.
        seconds: how long the work took that made it.
        made_at: when, ISO 8601 in UTC.
    """

    data_version: str
    origin: Origin
    seconds: float
    made_at: str


def code_version(version: str, settings: Mapping[str, object]) -> str:
    """The code version of an asset with the settings that shape it, readable: `1; image_short_side_px=320`."""
    return "; ".join([version, *(f"{name}={_plain(value)}" for name, value in sorted(settings.items()))])


def code_changes(before: str, now: str) -> list[str]:
    """What differs between two code versions, in words: `code version 3 -> 4`, `image_short_side_px 320 -> 400`."""
    then, since = _parts(before), _parts(now)
    return [
        f"{name or 'code version'} {then.get(name, 'unset')} -> {since.get(name, 'unset')}"
        for name in sorted(then.keys() | since.keys())
        if then.get(name) != since.get(name)
    ]


def _parts(version: str) -> dict[str, str]:
    head, *settings = version.split("; ")
    pairs = (setting.partition("=") for setting in settings)
    return {"": head, **{name: value for name, _, value in pairs}}


def _plain(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(part) for part in cast("Iterable[object]", value))
    return "default" if value is None else str(value)


class Lineage:
    """The records of a lake.

    Args:
        lake: where they are kept.
        clock: monotonic seconds.
    """

    def __init__(self, lake: DataLake, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self._clock = clock
        self._begun: dict[str, tuple[Origin, float]] = {}
        self._staged: dict[str, Record] = {}

    def read(self, asset: str) -> Record | None:
        """The record of an asset; None where it was never completed, or was touched since."""
        try:
            told = json.loads(self.lake.lineage(asset).read_bytes())
            return Record(told["data_version"], Origin(**told["origin"]), told["seconds"], told["made_at"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def versions(self, assets: Iterable[str]) -> dict[str, str]:
        """The data versions that these assets have now."""
        records = {asset: self.read(asset) for asset in assets}
        return {asset: record.data_version if record else ABSENT for asset, record in records.items()}

    def begin(self, asset: str, origin: Origin) -> None:
        """Say that an asset is about to be touched: until `complete`, nothing is known of it."""
        self.lake.lineage(asset).unlink(missing_ok=True)
        self._begun[asset] = (origin, self._clock())

    def stage(self, asset: str, data_version: str, now: datetime | None = None) -> None:
        """Say what an asset will be once it is written; `commit` follows when it is.

        Raises:
            KeyError: it was not begun here.
        """
        origin, began = self._begun.pop(asset)
        made_at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        self._staged[asset] = Record(data_version, origin, round(self._clock() - began, 3), made_at)

    def commit(self, asset: str) -> None:
        """Say that a staged asset is in the lake, whole.

        Raises:
            KeyError: it was not staged here.
        """
        record = self._staged.pop(asset)
        write_whole(self.lake.lineage(asset), json.dumps(asdict(record), indent=1).encode())

    def complete(self, asset: str, data_version: str) -> None:
        """Say that an asset is in the lake, whole, in one go.

        Raises:
            KeyError: it was not begun here.
        """
        self.stage(asset, data_version)
        self.commit(asset)

"""What each asset of a lake was made from, kept in the lake itself.

A record is written after the asset is complete and taken away before the asset is touched again, so a record that is
there is true of what lies beside it, whatever was killed in between. `step.py` compares records with what an asset
would be made from now; nothing is guessed from timestamps.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from artpipe.lake.object_store import Unchanged
from artpipe.lake.paths import DataLake, remove_file, write_whole

_files = Unchanged()
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
        files: what it wrote, each file with its fingerprint, by its path in the lake; see `lake/damage.py`.
    """

    data_version: str
    origin: Origin
    seconds: float
    made_at: str
    files: Mapping[str, str] = field(default_factory=dict[str, str])


class Lineage:
    """The records of a lake.

    Args:
        lake: where they are kept.
        clock: monotonic seconds.
    """

    def __init__(self, lake: DataLake, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self._clock = clock
        self._begun: dict[str, tuple[Origin, float, Record | None]] = {}

    def read(self, asset: str) -> Record | None:
        """The record of an asset; None where it was never completed, or was touched since."""
        try:
            found = json.loads(_files.read(self.lake.lineage(asset)))
            origin, files = Origin(**found["origin"]), found.get("files", {})
            return Record(found["data_version"], origin, found["seconds"], found["made_at"], files)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def versions(self, assets: Iterable[str]) -> dict[str, str]:
        """The data versions that these assets have now."""
        records = {asset: self.read(asset) for asset in assets}
        return {asset: record.data_version if record else ABSENT for asset, record in records.items()}

    def begin(self, asset: str, origin: Origin) -> None:
        """Take the record away before an asset is touched: until `complete`, nothing is known of it."""
        before = self.read(asset)
        remove_file(self.lake.lineage(asset))
        self._begun[asset] = (origin, self._clock(), before)

    def abandon(self, asset: str, data_version: str = "") -> None:
        """Put the record back that `begin` took away, where what the lake holds is still what it was.

        Args:
            asset: begun here; one that was completed stays so.
            data_version: of what the lake holds now; empty where nothing was touched.
        """
        _, _, before = self._begun.pop(asset, (None, None, None))
        if before is not None and data_version in ("", before.data_version):
            self.write(asset, before)

    def complete(
        self, asset: str, data_version: str, now: datetime | None = None, files: Mapping[str, str] | None = None
    ) -> None:
        """Record that an asset is in the lake, whole.

        Args:
            asset: its name.
            data_version: of what it holds.
            now: the present, in UTC.
            files: what it wrote, with fingerprints.

        Raises:
            KeyError: it was not begun here.
        """
        origin, began, _ = self._begun.pop(asset)
        made_at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        self.write(asset, Record(data_version, origin, round(self._clock() - began, 3), made_at, files or {}))

    def write(self, asset: str, record: Record) -> None:
        """Write the record of an asset that is in the lake, whole."""
        write_whole(self.lake.lineage(asset), json.dumps(asdict(record), indent=1).encode())

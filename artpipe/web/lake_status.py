"""Which assets are stale: runs `artpipe status` in the background.

The status takes seconds and loads Dagster, so it runs as a process of its own. A page never waits for it, and shows the
latest report with its time.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from artpipe.errors import ArtpipeError

MAX_AGE = timedelta(minutes=1)
"""A report older than this is updated when a page shows it."""
_TIMEOUT_S = 120.0


class StatusUnavailableError(ArtpipeError):
    """`artpipe status` failed."""


@dataclass(frozen=True)
class StatusReport:
    """The output of `artpipe status`.

    Attributes:
        at: when it was started, UTC.
        assets: `asset`, `status`, `why` and so on of each, upstream first.
        problem: why it failed; else empty.
    """

    at: datetime
    assets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    problem: str = ""

    @property
    def not_fresh(self) -> list[dict[str, Any]]:
        """The assets that are stale or missing."""
        return [asset for asset in self.assets if asset["status"] != "fresh"]


def run_artpipe_status() -> list[dict[str, Any]]:
    """The assets by `artpipe status --json`, under the settings of this process.

    Raises:
        StatusUnavailableError: it failed; the last line of its error output is passed on.
    """
    command = [sys.executable, "-m", "artpipe.cli", "status", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603
        return json.loads(done.stdout)["assets"]
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        message = lines[-1] if lines else f"`artpipe status` ended with exit code {error.returncode}"
        raise StatusUnavailableError(message) from error
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
        raise StatusUnavailableError(f"`artpipe status` gave no answer ({type(error).__name__}).") from error


class LakeStatus:
    """The latest status report, updated in the background.

    Args:
        read_status: returns the assets; takes seconds.
        now: the time, UTC.
    """

    def __init__(
        self,
        read_status: Callable[[], list[dict[str, Any]]] = run_artpipe_status,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._read_status, self._now = read_status, now
        self._lock = threading.Lock()
        self._report: StatusReport | None = None
        self._update: threading.Thread | None = None

    def latest(self) -> StatusReport | None:
        """The last report, at once; None before the first. Starts an update where it is too old."""
        with self._lock:
            # Its time may also lie ahead, where the clock was put back since.
            is_old = self._report is None or abs(self._now() - self._report.at) > MAX_AGE
            if is_old and self._update is None:
                self._update = threading.Thread(target=self._run_update, name="artpipe-status", daemon=True)
                self._update.start()
            return self._report

    def wait(self, timeout_s: float = 30.0) -> None:
        """Until no update is running; for tests.

        Raises:
            TimeoutError: it runs still.
        """
        update = self._update
        if update is not None:
            update.join(timeout_s)
            if update.is_alive():
                raise TimeoutError("the status is still being read.")

    def _run_update(self) -> None:
        at = self._now()
        try:
            report = StatusReport(at, self._read_status())
        except StatusUnavailableError as error:
            report = StatusReport(at, problem=str(error))
        with self._lock:
            self._report, self._update = report, None

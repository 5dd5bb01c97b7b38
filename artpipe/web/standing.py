"""What is stale in the lake, by Dagster's own account: asked beside the server, and told with the time of the asking.

Dagster takes seconds to answer and is no guest for a web process, so `artpipe status` is run as a process of its own,
in the background; a page never waits for it and shows the latest answer.
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

ASK_AFTER = timedelta(minutes=1)
"""An answer that is older is asked for again when somebody looks."""
_TIMEOUT_S = 120.0


class NoAnswerError(ArtpipeError):
    """Dagster could not be asked."""


@dataclass(frozen=True)
class Answer:
    """What `artpipe status` said, and when.

    Attributes:
        at: when it was asked, UTC.
        assets: `asset`, `status`, `why` and so on of each, upstream first.
        problem: why there is no answer; else empty.
    """

    at: datetime
    assets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    problem: str = ""

    @property
    def behind(self) -> list[dict[str, Any]]:
        """The assets that are stale or missing."""
        return [one for one in self.assets if one["status"] != "fresh"]


def ask_artpipe_status() -> list[dict[str, Any]]:
    """The assets as `artpipe status` tells them, under the settings that this process was started with.

    Raises:
        NoAnswerError: it failed; its own words are passed on.
    """
    command = [sys.executable, "-m", "artpipe.cli", "status", "--json"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603
        return json.loads(told.stdout)["assets"]
    except subprocess.CalledProcessError as error:
        words = error.stderr.strip().splitlines()
        raise NoAnswerError(words[-1] if words else f"`artpipe status` ended with {error.returncode}") from error
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
        raise NoAnswerError(f"`artpipe status` gave no answer ({type(error).__name__}).") from error


class Standing:
    """The latest answer, asked for anew in the background.

    Args:
        ask: gives the assets; takes seconds.
        now: the time, UTC.
    """

    def __init__(
        self, ask: Callable[[], list[dict[str, Any]]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ask, self._now = ask, now
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._asking: threading.Thread | None = None

    def latest(self) -> Answer | None:
        """What was answered last, at once; None before the first answer. An old answer is asked for again."""
        with self._lock:
            is_old = self._answer is None or self._now() - self._answer.at > ASK_AFTER
            if is_old and self._asking is None:
                self._asking = threading.Thread(target=self._find_out, name="artpipe-standing", daemon=True)
                self._asking.start()
            return self._answer

    def wait(self) -> None:
        """Until nothing is being asked; for tests."""
        asking = self._asking
        if asking is not None:
            asking.join()

    def _find_out(self) -> None:
        at = self._now()
        try:
            answer = Answer(at, self._ask())
        except NoAnswerError as error:
            answer = Answer(at, problem=str(error))
        with self._lock:
            self._answer, self._asking = answer, None

"""Progress of long work: a bar in a terminal, lines in a Dagster log.

Domain code takes a `Progress` and calls `advance`; it does not know which of the two displays it.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One piece of long work in progress."""

    def advance(self, count: int = 1) -> None:
        """Count `count` more items as done."""
        ...


class Progress(Protocol):
    """Displays the progress of long work."""

    def track(self, what: str, total: int, unit: str = "items") -> AbstractContextManager[Step]:
        """Open a step of `total` items, for example `track("harvest", 4441, "images")`; use it in a `with`."""
        ...


class _Counted:
    """A step that writes a line every `every_s` seconds, with rate and time left."""

    def __init__(
        self, what: str, total: int, unit: str, write: Callable[[str], None], clock: Callable[[], float], every_s: float
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self.write, self.clock, self.every_s = write, clock, every_s
        self.started = self.written = clock()

    def advance(self, count: int = 1) -> None:
        self.done += count
        now = self.clock()
        if now - self.written >= self.every_s:
            self.written = now
            rate = self.done / max(now - self.started, 1e-9)
            left_s = (self.total - self.done) / max(rate, 1e-9)
            self.write(
                f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.1f}/s, {clock_text(left_s)} left"
            )

    def close(self) -> None:
        spent_s = max(self.clock() - self.started, 1e-9)
        rate = self.done / spent_s
        self.write(f"{self.what}: {self.done:,} {self.unit} in {clock_text(spent_s)} ({rate:,.1f}/s)")


class LogProgress:
    """Writes lines, for a Dagster log: `LogProgress(context.log.info)`."""

    def __init__(
        self, write: Callable[[str], None], every_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.write, self.every_s, self.clock = write, every_s, clock

    @contextmanager
    def track(self, what: str, total: int, unit: str = "items") -> Generator[Step]:
        """Open a step; a line is written every `every_s` seconds and once at the end."""
        step = _Counted(what, total, unit, self.write, self.clock, self.every_s)
        yield step
        step.close()


class TerminalProgress:
    """Draws a bar on stderr with count, rate and time left (rich)."""

    @contextmanager
    def track(self, what: str, total: int, unit: str = "items") -> Generator[Step]:
        """Open a step; its bar stays on the screen when it is done."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}, {task.fields[rate]}/s"),
            TimeRemainingColumn(),
        )
        started = time.monotonic()
        with Bars(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(what, total=total, unit=unit, rate="-")

            class Drawn:
                done = 0

                def advance(self, count: int = 1) -> None:
                    self.done += count
                    rate = f"{self.done / max(time.monotonic() - started, 1e-9):,.1f}"
                    bars.update(task, advance=count, rate=rate)

            yield Drawn()


class SilentProgress:
    """Displays nothing; the default of domain functions."""

    @contextmanager
    def track(self, what: str, total: int, unit: str = "items") -> Generator[Step]:  # noqa: ARG002
        """Open a step without display."""

        class Silent:
            def advance(self, count: int = 1) -> None:
                pass

        yield Silent()


def progress_for(write: Callable[[str], None]) -> Progress:
    """A bar when a person is at a terminal, log lines through `write` otherwise."""
    return TerminalProgress() if sys.stderr.isatty() else LogProgress(write)


def clock_text(seconds: float) -> str:
    """A duration for people: `9.3 s`, `2 min 05 s`, `1 h 12 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

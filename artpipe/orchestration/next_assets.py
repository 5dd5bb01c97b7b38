"""Which assets may run now: the one rule that `artpipe refresh` and the automation both ask.

It is pure: `staleness.py` reads the statuses from the lake and from Dagster, `runner.py` and `automation.py` run what
is returned, and then ask again with new statuses. So an asset whose inputs came out unchanged never runs.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

Freshness = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True)
class AssetStatus:
    """Whether an asset is up to date, and whether it may run.

    Attributes:
        asset: its name.
        status: `missing` where it was never made or its files are gone.
        reasons: why it is not fresh, in words.
        upstream: the assets it is made from.
        step: the step that makes it; some steps make several assets.
        due: why it runs although it is fresh, in words: the source has to be asked.
        asks_source: it is no root, and asks the source all the same.
        failed_checks: its blocking checks that failed on the present version.
        skipped_checks: its blocking checks that did not run on the present version.
        in_progress: a run that has not ended makes it.
        hold: why it may not run now although it should, in words.
        observed: its inputs that are files which people edit, each with the version of its content.
        data_version: of what it holds.
        code_version: that it would be made with now.
        record_id: of its last materialisation in Dagster's event log.
        seconds: how long its work took the last time that there was any.
        made_at: when it was last materialised.
        is_from_future: whether that time has not come yet: a clock was wrong.
    """

    asset: str
    status: Freshness = "fresh"
    reasons: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    step: str = ""
    due: str = ""
    asks_source: bool = False
    failed_checks: tuple[str, ...] = ()
    skipped_checks: tuple[str, ...] = ()
    in_progress: bool = False
    hold: str = ""
    observed: tuple[str, ...] = ()
    data_version: str = ""
    code_version: str = ""
    record_id: int | None = None
    seconds: float | None = None
    made_at: datetime | None = None
    is_from_future: bool = False

    @property
    def is_root(self) -> bool:
        """Whether only its source knows if it changed: it depends on nothing here."""
        return not self.upstream

    def is_older_than(self, seconds: float | None) -> bool:
        """Whether it was made, and before this time in seconds since 1970 for all that is known."""
        if seconds is None or self.made_at is None:
            return False
        return self.is_from_future or self.made_at.timestamp() < seconds

    @property
    def unmet_checks(self) -> tuple[str, ...]:
        """Why nothing may be made from it, in words."""
        return tuple(in_words(self.failed_checks, self.skipped_checks))

    @property
    def needs_run(self) -> bool:
        """Whether it has a reason of its own to run, whatever comes of the assets upstream."""
        return self.status != "fresh" or bool(self.due) or bool(self.unmet_checks)


def next_assets(statuses: Mapping[str, AssetStatus], selected: Set[str], *, force: bool = False) -> set[str]:
    """The assets that may run now, in one run; empty where there is nothing to do.

    An asset runs after every selected asset above it that needs to run, and below passed blocking checks only. What is
    missing all the way down runs together: no unchanged input can make it unnecessary.

    Args:
        statuses: of every asset, inputs first.
        selected: the assets that may run; what is above them and not among them is not waited for.
        force: run all that is selected, fresh or not.
    """
    waiting = {name for name in selected if force or statuses[name].needs_run or statuses[name].in_progress}
    ready: set[str] = set()
    for name, status in statuses.items():
        if name not in waiting or status.in_progress or status.hold or failed_above(statuses, name, ready):
            continue
        above = ancestors(statuses, name) & waiting
        runs_whatever_comes = force or status.status == "missing"
        if not above or (
            runs_whatever_comes
            and all(parent in ready or not _is_or_is_below(statuses, parent, waiting) for parent in status.upstream)
        ):
            ready.add(name)
    steps = {statuses[name].step for name in ready if statuses[name].step}
    return ready | {name for name, status in statuses.items() if status.step in steps}


def ancestors(statuses: Mapping[str, AssetStatus], asset: str) -> set[str]:
    """Every asset that this one is made from, directly or not."""
    found: set[str] = set()
    unvisited = list(statuses[asset].upstream)
    while unvisited:
        name = unvisited.pop()
        if name not in found:
            found.add(name)
            unvisited += statuses[name].upstream
    return found


def failed_above(statuses: Mapping[str, AssetStatus], asset: str, ready: Set[str] = frozenset()) -> dict[str, str]:
    """The inputs of an asset whose blocking checks failed or did not run, each with the first of them in words.

    Args:
        statuses: of every asset.
        asset: whose inputs.
        ready: assets that run first, in the same run; Dagster itself stops that run at a failed check.
    """
    return {
        parent: statuses[parent].unmet_checks[0]
        for parent in statuses[asset].upstream
        if parent not in ready and statuses[parent].unmet_checks
    }


def _is_or_is_below(statuses: Mapping[str, AssetStatus], asset: str, waiting: Set[str]) -> bool:
    return not waiting.isdisjoint({asset} | ancestors(statuses, asset))


def in_words(failed: Collection[str], skipped: Collection[str]) -> list[str]:
    """Blocking checks that failed and that did not run, in words."""
    return [
        *(f"the blocking check {check} failed" for check in failed),
        *(f"the blocking check {check} did not run" for check in skipped),
    ]


def for_refresh(statuses: Mapping[str, AssetStatus]) -> dict[str, AssetStatus]:
    """The statuses as a refresh takes them: it asks the roots each time, and waits for no run of the Dagster daemon."""

    def seen(status: AssetStatus) -> AssetStatus:
        return replace(status, in_progress=False, due="asked at every refresh" if status.is_root else status.due)

    return {name: seen(status) for name, status in statuses.items()}


def for_automation(
    statuses: Mapping[str, AssetStatus], requested: Mapping[str, str], rescraped_at: float | None
) -> dict[str, AssetStatus]:
    """The statuses as the automation takes them.

    The schedule asks roots that are fresh, and after them runs what asks the source itself; a root that is missing or
    was cut off runs at once. What was requested already for the same occasion is held, whatever came of it: so a
    failing asset runs once for each change and once after each re-scrape, and what a run makes with other code or
    settings than this process knows is made once.

    Args:
        statuses: of every asset, inputs first.
        requested: what each asset was last requested for, by `occasion`.
        rescraped_at: when the last re-scrape began that ended well, in seconds since 1970.
    """
    seen: dict[str, AssetStatus] = {}
    for name, status in statuses.items():
        is_due = status.asks_source and status.is_older_than(rescraped_at)
        due = replace(status, due="the re-scrape asked the roots since") if is_due else status
        seen[name] = replace(due, hold=_hold(statuses, due, requested.get(name)))
    return seen


def _hold(statuses: Mapping[str, AssetStatus], status: AssetStatus, requested: str | None) -> str:
    # What asks the source may come out otherwise; only asking again can tell.
    if status.status == "fresh" and status.failed_checks and not status.due:
        return status.unmet_checks[0]
    if status.needs_run and requested is not None:
        then, _, made_from = requested.partition("; ")
        now, _, made_from_now = occasion(statuses, status).partition("; ")
        # A run that failed leaves its assets stale, whatever they were when it was requested.
        if made_from == made_from_now and (then == now or status.status == "stale"):
            return "it was requested for this already"
    return ""


def occasion(statuses: Mapping[str, AssetStatus], status: AssetStatus) -> str:
    """What an asset would be requested for: its status, its code, its inputs, and what the roots were last asked."""
    roots = sorted(above for above in ancestors(statuses, status.asset) if statuses[above].is_root)
    skipped = status.skipped_checks if status.status == "fresh" else ()  # a run that failed skipped them too
    return "; ".join(
        [
            ", ".join([status.status, *filter(None, [status.due]), *skipped]),
            status.code_version,
            *(f"{parent} {statuses[parent].data_version}" for parent in status.upstream),
            *status.observed,
            *(f"{root} #{statuses[root].record_id}" for root in roots),
        ]
    )


def still_requested(
    statuses: Mapping[str, AssetStatus], requested: Mapping[str, str], wave: Set[str]
) -> dict[str, str]:
    """What to remember of requests: those of this wave, and earlier ones of assets that still need to run."""
    return {
        name: occasion(statuses, status) if name in wave else requested[name]
        for name, status in statuses.items()
        if name in wave or (name in requested and (status.needs_run or status.in_progress))
    }

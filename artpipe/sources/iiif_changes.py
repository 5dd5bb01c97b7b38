"""The stream of changes of the IIIF Change Discovery API 1.0: what to ask for since it was followed the last time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from artpipe.sources.iiif_document import Change

REMOVALS = ("Delete", "Remove")


@dataclass(frozen=True)
class Changed:
    """What a stream says.

    Attributes:
        wanted: when each manifest changed that is to be asked for, the first change first.
        removed: manifests that are gone.
        until: the time of the newest change.
    """

    wanted: Mapping[str, str | None]
    removed: frozenset[str]
    until: str | None


def changes_since(newest_first: Iterable[Change], since: str | None) -> Changed:
    """What became of each manifest since a time; the last change of each counts.

    Args:
        newest_first: the changes; no more of them are taken than needed.
        since: the `until` of the time before; None: everything counts.

    Source: https://iiif.io/api/discovery/1.0/#appendix-a-processing-model.
    """
    start, until = _time(since), None
    latest: dict[str, Change] = {}
    only_removals = False
    for change in newest_first:
        ended = _time(change.ended)
        # Of the changes of that very second, one may have come later.
        if start and ended and ended < start:
            break
        if ended and (until is None or ended > until[0]):
            until = ended, change.ended
        if change.kind == "Refresh":
            # Every manifest is named again after it.
            if start is None:
                break
            only_removals = True
        elif change.kind in REMOVALS or not only_removals:
            for url, named in ((change.url, change), (change.target, Change("Create", None, None, change.ended))):
                if url:
                    latest.setdefault(url, named)
    return Changed(
        {url: change.ended for url, change in reversed(latest.items()) if change.kind not in (*REMOVALS, "Move")},
        frozenset(url for url, change in latest.items() if change.kind in (*REMOVALS, "Move")),
        until[1] if until else None,
    )


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)

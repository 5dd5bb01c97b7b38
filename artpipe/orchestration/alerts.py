"""Alerts for people when something is wrong: a log line, and JSON to a webhook where one is set.

The JSON is `{"event", "text", "lake", "run_id", "assets"}`; chat services that take a `text` show it as a message.
Nothing here raises: an alert that cannot be delivered must not stop what it is about.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Alert:
    """Something that a person should know.

    Attributes:
        event: which alert it is.
        text: the same for people, with the next step.
        lake: whose.
        run_id: of the Dagster run that it is about, if it is about one.
        assets: names of the assets concerned.
    """

    event: Literal["run_failed", "collection_is_stale"]
    text: str
    lake: str
    run_id: str | None = None
    assets: tuple[str, ...] = ()


def deliver(alert: Alert, webhook_url: str | None, log: logging.Logger) -> bool:
    """Log an alert, and POST it where a webhook is set.

    Args:
        alert: what to deliver.
        webhook_url: where to; what it holds beyond its host is never logged, since whoever knows it can post there.
        log: gets the alert in any case, and an error where the webhook does not take it.

    Returns:
        Whether it was delivered everywhere.
    """
    log.warning(alert.text)
    return webhook_url is None or post(alert, webhook_url, log)


def post(alert: Alert, webhook_url: str, log: logging.Logger) -> bool:
    """POST an alert to a webhook; arguments and result as for `deliver`."""
    import requests

    try:
        answer = requests.post(webhook_url, json=asdict(alert), timeout=TIMEOUT_S)
    except (requests.RequestException, ValueError) as error:  # their own words may hold the address
        problem = type(error).__name__
    else:
        if answer.ok:
            return True
        problem = f"HTTP {answer.status_code}"
    log.error(f"the webhook at {urlsplit(webhook_url).hostname} did not take the alert ({problem})")
    return False


@dataclass(frozen=True)
class Trouble:
    """An asset that is not as it should be.

    Attributes:
        asset: its name.
        what: what is wrong, in words that stay the same while it is.
        patience_s: how long it may be so before a person is alerted.
    """

    asset: str
    what: str
    patience_s: float

    @property
    def name(self) -> str:
        """One name for as long as it lasts."""
        return f"{self.asset} is {self.what}"


@dataclass(frozen=True)
class Watch:
    """What is remembered from one evaluation of the sensor to the next; its cursor.

    Attributes:
        since: when each trouble that lasts was first seen, in seconds since 1970.
        reported: those of them that were reported to a person.
    """

    since: dict[str, float] = field(default_factory=dict[str, float])
    reported: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, text: str | None) -> "Watch":
        """What `to_json` gave; nothing where that cannot be read."""
        try:
            found = cast("dict[str, Any]", json.loads(text or "{}"))
            return cls(dict(found["since"]), frozenset(found["reported"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    def to_json(self) -> str:
        """As a sensor's cursor."""
        return json.dumps({"since": self.since, "reported": sorted(self.reported)})


def overdue(troubles: Iterable[Trouble], watch: Watch, now: float) -> tuple[list[Trouble], Watch]:
    """The troubles that have lasted too long and were not reported yet, and what to remember.

    A trouble that ends is forgotten, so that it is reported again when it comes back.

    Args:
        troubles: all that there are now.
        watch: what was remembered.
        now: in seconds since 1970.
    """
    lasting = list(troubles)
    # A time that has not come yet is that of a wrong clock.
    since = {trouble.name: min(watch.since.get(trouble.name, now), now) for trouble in lasting}
    late = [trouble for trouble in lasting if now - since[trouble.name] >= trouble.patience_s]
    new = [trouble for trouble in late if trouble.name not in watch.reported]
    return new, Watch(since, frozenset(trouble.name for trouble in late))


def stale_text(late: Iterable[Trouble], lake: str) -> str:
    """Troubles in a sentence, with the next step."""
    listed = ", ".join(
        trouble.name + (f" for more than {trouble.patience_s / 3600:g} h" if trouble.patience_s else "")
        for trouble in late
    )
    return (
        f"artpipe: the collection {lake} is not fresh: {listed}. Look at the failed runs in the Dagster UI, "
        "or run `artpipe refresh`."
    )

"""Errors that a person can act on.

Each message contains what happened, to what, and the next step. The command line prints the message alone and ends with
exit code 2; any other exception is a defect and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ArtpipeError(Exception):
    """An expected failure with a next step; subclasses are defined where they are raised."""


class BadSettingError(ArtpipeError):
    """An ARTPIPE_ variable has a value that its setting does not accept."""


class PortTakenError(ArtpipeError):
    """An address cannot be bound, since another program has the port."""


def did_you_mean(given: str, known: Iterable[str], most: int = 1) -> str:
    """A question that names what is known and spelt nearly so, whatever the case: "did you mean 'title'?"; else ""."""
    by_case = {name.lower(): name for name in known}
    return asked_for([by_case[name] for name in get_close_matches(given.lower(), by_case, n=most)])


def asked_for(names: Iterable[str]) -> str:
    """The question whether one of some names is meant; "" where there is none."""
    listed = " or ".join(map(repr, names))
    return f"did you mean {listed}?" if listed else ""

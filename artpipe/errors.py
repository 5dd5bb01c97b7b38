"""Errors that a person can act on.

Each message contains what happened, to what, and the next step. The command line prints the message alone and ends with
exit code 2; any other exception is a defect and keeps its traceback.
"""


class ArtpipeError(Exception):
    """An expected failure with a next step; subclasses are defined where they are raised."""


class BadSettingError(ArtpipeError):
    """An ARTPIPE_ variable has a value that its setting does not accept."""


class PortTakenError(ArtpipeError):
    """An address cannot be bound, since another program has the port."""

"""The errors a person can do something about.

Every one of them says what happened, to what, and what to do next. The command line prints the message alone and
ends with exit code 2; anything else is a surprise and keeps its traceback.
"""


class ArtpipeError(Exception):
    """An expected failure with a next step; subclasses live beside the code that raises them."""


class BadSettingError(ArtpipeError):
    """An ARTPIPE_ variable holds what its setting cannot take."""

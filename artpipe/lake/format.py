"""The format of a lake: which releases of artpipe can read what it holds.

`lake.json` names it; a lake without that file is of the first releases. The number is raised when older code would
misread what a newer one writes. An older lake opens, and the next refresh brings it up to date.
"""

import json
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.object_store import is_local, read_first

if TYPE_CHECKING:
    from upath import UPath

FORMAT = 1
FORMAT_FILE = "lake.json"


class NewerLakeError(ArtpipeError):
    """The lake was made by a newer release, in a format that this one cannot read."""


def read_format(root: "UPath") -> int:
    """The format of the lake in this folder; 0 where it names none.

    Raises:
        StoreError: the folder is in an object store that does not answer, or refuses.
    """
    file = root / FORMAT_FILE
    try:
        content = file.read_bytes() if is_local(file) else read_first(file)
        return int(json.loads(content or b"")["format"])
    except (OSError, ValueError, KeyError, TypeError):  # whoever reads the lake next says why it cannot be read
        return 0


def refuse_newer(root: "UPath") -> None:
    """Check that this release can read a lake.

    Raises:
        NewerLakeError: it cannot.
    """
    from artpipe import __version__

    if (found := read_format(root)) > FORMAT:
        raise NewerLakeError(
            f"the lake {root} has format {found}, and artpipe {__version__} reads formats up to {FORMAT}: a newer "
            "artpipe made it. Install that one, or set ARTPIPE_LAKE to another lake."
        )

"""Ask the collection: which works are like this one, and what does the model take it for?

from artpipe.search import Collection, SearchFilter

collection = Collection.open()
collection.similar("a/aachen/allegory", k=10, where=SearchFilter(type="portrait"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artpipe.search.collection import Collection
    from artpipe.search.filters import SearchFilter
    from artpipe.search.hits import Hits

__all__ = ["Collection", "Hits", "SearchFilter"]

_HOMES = {
    "Collection": "artpipe.search.collection",
    "Hits": "artpipe.search.hits",
    "SearchFilter": "artpipe.search.filters",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and NumPy and LanceDB with it, only when it is: Dagster's code location needs neither."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

"""Search the collection: which works are similar to this one, and which labels does the model predict for it?

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
    """Import on first use: NumPy and LanceDB must not load with Dagster's code location, which needs neither."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

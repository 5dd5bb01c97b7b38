"""Ask the collection: which works are like this one, and what does the model take it for?

from artpipe.search import Collection, SearchFilter

collection = Collection.open()
collection.similar("a/aachen/allegory", k=10, where=SearchFilter(type="portrait"))
"""

from artpipe.search.collection import Collection
from artpipe.search.filters import SearchFilter

__all__ = ["Collection", "SearchFilter"]

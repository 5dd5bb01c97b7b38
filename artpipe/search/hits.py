"""What a search gives back: a polars frame that shows itself as a row of pictures in a notebook, and saves itself."""

import base64
import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from artpipe.lake.spreadsheet import spreadsheet_csv

Pictures = Callable[[Sequence[str]], dict[str, bytes]]

SHOWN_IN_A_NOTEBOOK = 24
_ROW = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start;font:12px/1.35 sans-serif"
_FIGURE = "margin:0;width:160px"
_FRAME = "height:160px;display:flex;align-items:flex-end"


@dataclass(frozen=True)
class Explanation:
    """How a query was answered.

    Attributes:
        index: `exact`, `int8` or `ivf_rq`; `text` for words alone.
        how: the same for people.
        note: why the index that was built is not used; empty when it is.
        rows: vectors in the collection.
        rows_scanned: vectors compared with the query in any form.
        milliseconds: from the query to the finished frame.
    """

    index: str
    how: str
    note: str
    rows: int
    rows_scanned: int
    milliseconds: float


class Hits:
    """The works that a search found, best first.

    Everything that a polars frame can do, this can: what is not defined here is asked of `frame`.

    Args:
        frame: `rank`, `artwork_id`, `similarity` (or `relevance`, when words were asked for), and what is known.
        pictures: gives the stored JPEGs of works.
        explanation: how the query was answered.
    """

    def __init__(self, frame: pl.DataFrame, pictures: Pictures, explanation: Explanation) -> None:
        self.frame = frame
        self.explanation = explanation
        self._pictures = pictures

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "frame":  # asked for while it is copied or unpickled
            raise AttributeError(name)
        return getattr(self.frame, name)

    def __getitem__(self, key: Any) -> Any:
        return self.frame[key]

    def __len__(self) -> int:
        return self.frame.height

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The hits as dictionaries, one after another."""
        return self.frame.iter_rows(named=True)

    def __repr__(self) -> str:
        return repr(self.frame)

    def to_polars(self) -> pl.DataFrame:
        """The polars frame itself."""
        return self.frame

    def to_pandas(self) -> Any:
        """A pandas frame; pandas must be installed."""
        return self.frame.to_pandas()

    def to_arrow(self) -> Any:
        """An Arrow table."""
        return self.frame.to_arrow()

    def to_csv(self, path: str | Path) -> Path:
        """Write the hits as CSV for spreadsheets: UTF-8 with a byte-order mark, so that they read the accents.

        A text that begins with `=`, `+`, `-`, `@` or a tab is written behind an apostrophe, since a spreadsheet would
        run it as a formula. `to_parquet` writes every text as it is.
        """
        path = Path(path)
        path.write_bytes(spreadsheet_csv(self.frame))
        return path

    def to_parquet(self, path: str | Path) -> Path:
        """Write the hits as Parquet."""
        path = Path(path)
        self.frame.write_parquet(path)
        return path

    def contact_sheet(self, path: str | Path, columns: int = 5, title: str = "") -> Path:
        """Write a PNG of the pictures with their captions.

        Args:
            path: of the file to write.
            columns: pictures in a line.
            title: written above.
        """
        from artpipe.figures.sheets import contact_sheet

        path = Path(path)
        jpegs = self._pictures(self.frame["artwork_id"].to_list())
        rows = self.frame.to_dicts()
        path.write_bytes(contact_sheet(rows, [jpegs.get(row["artwork_id"]) for row in rows], columns, title))
        return path

    def _repr_html_(self) -> str:
        """A row of thumbnails with captions, each a link to the work's page at the source."""
        shown = self.frame.head(SHOWN_IN_A_NOTEBOOK).to_dicts()
        if not shown:
            return "<p>No work was found.</p>"
        jpegs = self._pictures([row["artwork_id"] for row in shown])
        figures = "".join(_figure(row, jpegs.get(row["artwork_id"])) for row in shown)
        more = len(self) - len(shown)
        rest = f"<p>and {more:,} more</p>" if more else ""
        return f'<div style="{_ROW}">{figures}</div>{rest}'


def _figure(row: dict[str, Any], jpeg: bytes | None) -> str:
    """One work: its thumbnail inside the page itself, so that a saved notebook keeps it."""
    title, artist = _told(row, "title") or _told(row, "artwork_id"), _told(row, "artist")
    picture = _data_uri(jpeg)
    image = f'<img src="{picture}" alt="{title}">' if picture else "<span>no picture</span>"
    place = f'<div style="{_FRAME}">{image}</div>'
    page = str(row.get("page_url") or "")
    if page.startswith(("https://", "http://")):
        place = f'<a href="{html.escape(page)}" target="_blank" rel="noopener noreferrer">{place}</a>'
    similarity = row.get("similarity")
    facts = [_told(row, "date_text"), _told(row, "style"), "" if similarity is None else f"{similarity:.3f}"]
    lines = (f"<b>{_told(row, 'rank')}. {title}</b>", artist, " · ".join(fact for fact in facts if fact))
    caption = "<br>".join(line for line in lines if line)
    return f'<figure style="{_FIGURE}">{place}<figcaption>{caption}</figcaption></figure>'


def _told(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else html.escape(str(value))


def _data_uri(jpeg: bytes | None) -> str:
    """A thumbnail as an address that holds its own bytes; empty where there is no readable picture."""
    from artpipe.images.pictures import thumbnail

    if jpeg is None:
        return ""
    try:
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(jpeg)).decode()
    except OSError:
        return ""

"""The answer to a search: a polars frame that shows itself as a row of pictures in a notebook, with its figures."""

import base64
import html
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.lake.spreadsheet import spreadsheet_csv
from artpipe.schema import known_text
from artpipe.search.matching import Facets, YearCounts
from artpipe.search.word_query import WordMatch
from artpipe.vectors.nearest import Positions

StoredJpegs = Callable[[Sequence[str]], dict[str, bytes]]

SHOWN_IN_A_NOTEBOOK = 24
SHEET_FORMATS = {"": "PNG", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".pdf": "PDF"}
"""The formats of contact sheets, by how the file's name ends."""
_ROW = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start;font:12px/1.35 sans-serif"
_FIGURE = "margin:0;width:160px"
_FRAME = "height:160px;display:flex;align-items:flex-end"


class UnknownFormatError(ArtpipeError):
    """A file's name ends like no format that can be written."""


@dataclass(frozen=True)
class Explanation:
    """How a query was answered.

    Attributes:
        index: the kind of index that found the neighbours, `exact`, `int8` or `ivf_rq`; `batch` for many queries at
            once, `text` for words alone, `filter` for a filter alone.
        is_exact: whether every true neighbour is sure to be among the hits.
        how: the steps, for people.
        reason: why the index that was built is not used; empty where it is.
        rows: works in the collection.
        rows_scanned: vectors compared with the query in any form.
        milliseconds: from the query to the finished frame.
    """

    index: str
    is_exact: bool
    how: str
    reason: str
    rows: int
    rows_scanned: int
    milliseconds: float


class Hits:
    """The works that a search found, best first.

    Everything that a polars frame can do, this can: attributes that are not defined here are those of `frame`.

    Args:
        frame: `rank`, `artwork_id`, `similarity` (or `relevance`, in a search by words), and the works' metadata.
        stored_jpegs: returns the stored JPEGs of works.
        explanation: how the query was answered.
        positions: the rows of the hits in `Collection.works`.
        total: counts the works on all pages; those of the frame by default.
        word_match: how well the words match; None without words, or where no work matches them.
        facets: counts the works of each label.
        years: counts the works of each time.
        caption: the task whose label captions show; none by default.

    Attributes:
        is_doubtful: whether a description fits the best hit no better than "a picture" does, so that nothing in the
            collection seems to look so; the image-text model alone can tell.
    """

    is_doubtful: bool = False

    def __init__(
        self,
        frame: pl.DataFrame,
        stored_jpegs: StoredJpegs,
        explanation: Explanation,
        *,
        positions: Positions,
        total: Callable[[], int] | None = None,
        word_match: WordMatch | None = None,
        facets: Callable[[], Facets] = dict,
        years: Callable[[], YearCounts] = lambda: YearCounts(0, 1, []),
        caption: str | None = None,
    ) -> None:
        self.frame = frame
        self.explanation = explanation
        self.positions = positions
        self.word_match = word_match
        self._stored_jpegs, self._caption = stored_jpegs, caption
        self._count_total, self._count_facets, self._count_years = total, facets, years

    @cached_property
    def total(self) -> int:
        """How many works there are on all pages, counted on first access."""
        return self.frame.height if self._count_total is None else self._count_total()

    @cached_property
    def facets(self) -> Facets:
        """For each label filter its labels, in the order of time, and how many works would be found with each.

        Counted on first access. A filter on a label does not narrow the counts of its own kind.
        """
        return self._count_facets()

    @cached_property
    def years(self) -> YearCounts:
        """How many works there are of each time, counted on first access; a filter on years does not narrow it."""
        return self._count_years()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "frame":  # looked up while it is copied or unpickled
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
        """Write the hits as CSV for spreadsheets: UTF-8 with a byte-order mark, and no text that runs as a formula.

        A text that begins with `=`, `+`, `-`, `@` or a tab gets an apostrophe in front; `to_parquet` keeps every text
        as it is.
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
        """Write the pictures with their captions, in the format that the file's name says.

        Args:
            path: of the file to write: `.png`, `.jpg`, `.webp` or `.pdf`.
            columns: pictures in a line.
            title: written above.

        Raises:
            UnknownFormatError: the name says another format, or one that holds no sheet of so many pictures.
        """
        from PIL import Image

        from artpipe.figures.sheets import contact_sheet

        path = Path(path)
        if path.suffix.lower() not in SHEET_FORMATS:
            raise UnknownFormatError(
                f"a contact sheet cannot be written as {path.name}; end its name with .png, .jpg, .webp or .pdf."
            )
        jpegs = self._stored_jpegs(self.frame["artwork_id"].to_list())
        rows = self.frame.to_dicts()
        sheet = contact_sheet(rows, [jpegs.get(row["artwork_id"]) for row in rows], columns, title, task=self._caption)
        if (image_format := SHEET_FORMATS[path.suffix.lower()]) != "PNG":
            packed = io.BytesIO()
            try:
                with Image.open(io.BytesIO(sheet)) as picture:
                    picture.convert("RGB").save(packed, image_format, quality=90)
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise UnknownFormatError(
                    f"{len(rows):,} pictures are too many for a sheet in {image_format}; write .png, or take fewer."
                ) from error
            sheet = packed.getvalue()
        path.write_bytes(sheet)
        return path

    def _repr_html_(self) -> str:
        """A row of thumbnails with captions, each a link to the work's page at the source."""
        shown = self.frame.head(SHOWN_IN_A_NOTEBOOK).to_dicts()
        if not shown:
            return "<p>No work was found.</p>"
        jpegs = self._stored_jpegs([row["artwork_id"] for row in shown])
        figures = "".join(_figure(row, jpegs.get(row["artwork_id"]), self._caption) for row in shown)
        more = len(self) - len(shown)
        rest = f"<p>and {more:,} more</p>" if more else ""
        return f'<div style="{_ROW}">{figures}</div>{rest}'


def _figure(row: dict[str, Any], jpeg: bytes | None, caption_task: str | None) -> str:
    """One work: its thumbnail inside the page itself, so that a saved notebook keeps it."""
    title, artist = _text(row, "title") or _text(row, "artwork_id"), _text(row, "artist")
    picture = _data_uri(jpeg)
    image = f'<img src="{picture}" alt="{title}">' if picture else "<span>no picture</span>"
    place = f'<div style="{_FRAME}">{image}</div>'
    page = str(row.get("page_url") or "")
    if page.startswith(("https://", "http://")):
        place = f'<a href="{html.escape(page)}" target="_blank" rel="noopener noreferrer">{place}</a>'
    similarity = row.get("similarity")
    label = _text(row, caption_task) if caption_task else ""
    facts = [
        html.escape(known_text(row.get("date_text")) or ""),
        label,
        "" if similarity is None else f"{similarity:.3f}",
    ]
    lines = (f"<b>{_text(row, 'rank')}. {title}</b>", artist, " · ".join(fact for fact in facts if fact))
    caption = "<br>".join(line for line in lines if line)
    return f'<figure style="{_FIGURE}">{place}<figcaption>{caption}</figcaption></figure>'


def _text(row: dict[str, Any], name: str) -> str:
    """A value, escaped for HTML; empty where there is none."""
    value = row.get(name)
    return "" if value is None else html.escape(str(value))


def _data_uri(jpeg: bytes | None) -> str:
    """A thumbnail as a `data:` URI; empty where there is no readable picture."""
    from artpipe.images.pictures import thumbnail

    if jpeg is None:
        return ""
    try:
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(jpeg)).decode()
    except OSError:
        return ""

"""Contact sheets of thumbnails with captions: a query and its neighbours, or any set. Each returns PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.schema import known_text, years_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

INK, GREY, PAPER, MAT = (34, 37, 43), (109, 115, 125), (255, 255, 255), (243, 244, 246)
GREEN, PLAIN = (61, 138, 95), (217, 220, 225)
_GAP, _BORDER, _LINE = 14, 4, 19
_TEXT_PX, _TITLE_PX = 13, 19


@dataclass(frozen=True)
class _Tile:
    """One picture of a sheet; `marked` selects a green (True) or grey (False) border, or none (None)."""

    jpeg: bytes | None
    lines: tuple[str, ...]
    marked: bool | None = None


def neighbour_sheet(
    rows: Sequence[Mapping[str, object]],
    jpegs: Sequence[bytes | None],
    title: str = "",
    tile_px: int = 190,
    task: str | None = None,
) -> bytes:
    """A query, twice as large, and its neighbours in two rows; a green border marks those of the query's label.

    Args:
        rows: the query, then its neighbours, the nearest first; columns as in `artworks`; missing ones are left out.
        jpegs: the picture of each row; None or unreadable bytes leave an empty mat.
        title: of the sheet.
        tile_px: side of a neighbour's square.
        task: of the label that is compared and shown, such as `style`; none by default.
    """
    label = rows[0].get(task) if task else None
    query = _Tile(jpegs[0], _captions(rows[0], task))
    neighbours = [
        _Tile(jpeg, _captions(row, task), None if label is None else row.get(task or "") == label)
        for row, jpeg in zip(rows[1:], jpegs[1:], strict=True)
    ]
    per_row = max(1, -(-len(neighbours) // 2))
    caption = _LINE * max(len(tile.lines) for tile in (query, *neighbours)) + 10
    large = 2 * tile_px + caption + _GAP
    left = large + 3 * _GAP
    sheet, draw, top = _sheet(left + per_row * (tile_px + _GAP), 2 * (tile_px + caption + _GAP) + _LINE + _GAP, title)
    _place(sheet, draw, query, (_GAP, top), large)
    for i, tile in enumerate(neighbours):
        row, column = divmod(i, per_row)
        corner = (left + column * (tile_px + _GAP), top + row * (tile_px + caption + _GAP))
        _place(sheet, draw, tile, corner, tile_px)
    if label is not None:
        _legend(sheet, draw, left, str(task).replace("_", " "))
    return _png(sheet)


def contact_sheet(
    rows: Sequence[Mapping[str, object]],
    jpegs: Sequence[bytes | None],
    columns: int = 8,
    title: str = "",
    tile_px: int = 150,
    task: str | None = None,
    jpeg_quality: int | None = None,
) -> bytes:
    """Pictures in lines of `columns` with their captions; rows, JPEGs and task as in `neighbour_sheet`.

    With `jpeg_quality`, a JPEG of that quality instead of a PNG, in two thirds of the time.
    """
    return captioned_sheet(jpegs, [_captions(row, task) for row in rows], columns, title, tile_px, jpeg_quality)


def captioned_sheet(
    jpegs: Sequence[bytes | None],
    captions: Sequence[Sequence[str]],
    columns: int = 8,
    title: str = "",
    tile_px: int = 150,
    jpeg_quality: int | None = None,
) -> bytes:
    """Pictures in lines of `columns`, each with lines of text below it."""
    tiles = [_Tile(jpeg, tuple(lines)) for jpeg, lines in zip(jpegs, captions, strict=True)]
    columns = max(1, min(columns, len(tiles)))
    caption = _LINE * max((len(tile.lines) for tile in tiles), default=0) + 10
    lines = -(-len(tiles) // columns)
    sheet, draw, top = _sheet(columns * (tile_px + _GAP) + _GAP, lines * (tile_px + caption + _GAP), title)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        corner = (_GAP + column * (tile_px + _GAP), top + row * (tile_px + caption + _GAP))
        _place(sheet, draw, tile, corner, tile_px)
    return _png(sheet) if jpeg_quality is None else _jpeg(sheet, jpeg_quality)


def _captions(row: Mapping[str, object], task: str | None) -> tuple[str, ...]:
    """Artist, title, date and the label of a task as far as known, and the lines of a `note`."""

    def text(key: str) -> str:
        return str(row.get(key) or "").strip()

    first, last = (int(text(key)) if text(key) else None for key in ("year_from", "year_to"))
    date = known_text(text("date_text")) or years_text(first, last)
    lines = (text("artist"), text("title"), " · ".join(part for part in (date, text(task) if task else "") if part))
    lines += tuple(text("note").splitlines())
    return tuple(line for line in lines if line)


def _legend(sheet: "Image", draw: "ImageDraw", left: int, task: str) -> None:
    """The legend of the borders, at the foot of the sheet."""
    y = sheet.height - _GAP - _LINE
    for colour, label in ((GREEN, f"same {task} as the query"), (PLAIN, f"another {task}")):
        draw.rectangle((left, y + 2, left + 12, y + 14), outline=colour, width=_BORDER - 1)
        draw.text((left + 20, y), label, fill=GREY, font=_font(_TEXT_PX))
        left += 40 + round(draw.textlength(label, font=_font(_TEXT_PX)))


def _sheet(width: int, height: int, title: str) -> "tuple[Image, ImageDraw, int]":
    """A blank sheet with its title, and the y of the first tiles."""
    from PIL import Image, ImageDraw

    top = _GAP + (_TITLE_PX + _GAP if title else 0)
    sheet = Image.new("RGB", (width, top + height), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((_GAP, _GAP - 2), _fitted(draw, title, width - 2 * _GAP, _TITLE_PX), fill=INK, font=_font(_TITLE_PX))
    return sheet, draw, top


def _place(sheet: "Image", draw: "ImageDraw", tile: _Tile, corner: tuple[int, int], side: int) -> None:
    """Draw one tile: the whole picture, never cropped, on a square mat, and its captions below."""
    x, y = corner
    draw.rectangle((x, y, x + side - 1, y + side - 1), fill=MAT)
    picture = _thumbnail(tile.jpeg, side - 4 * _BORDER)
    if picture is not None:
        sheet.paste(picture, (x + (side - picture.width) // 2, y + (side - picture.height) // 2))
    else:
        draw.text((x + side / 2, y + side / 2), "no picture", fill=GREY, font=_font(_TEXT_PX), anchor="mm")
    if tile.marked is not None:
        colour = GREEN if tile.marked else PLAIN
        draw.rectangle((x, y, x + side - 1, y + side - 1), outline=colour, width=_BORDER)
    for i, line in enumerate(tile.lines):
        text = _fitted(draw, line, side, _TEXT_PX)
        draw.text((x, y + side + 7 + i * _LINE), text, fill=INK if i == 0 else GREY, font=_font(_TEXT_PX))


def _thumbnail(jpeg: bytes | None, side: int) -> "Image | None":
    from PIL import Image

    if jpeg is None:
        return None
    try:
        with Image.open(io.BytesIO(jpeg)) as picture:
            picture.draft("RGB", (side, side))
            scale = side / max(picture.size)
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except (OSError, ValueError):
        return None


def _fitted(draw: "ImageDraw", text: str, width: int, size_px: int) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    text = " ".join(text.split())
    font = _font(size_px)
    if draw.textlength(text, font=font) <= width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if draw.textlength(text[:middle].rstrip() + "…", font=font) <= width:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + "…"


@cache
def _font(size_px: int) -> "FreeTypeFont":
    import matplotlib as mpl
    from PIL import ImageFont

    # Pillow's own font has no accented letters, and artists have; matplotlib always brings DejaVu Sans.
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size_px)


def _jpeg(sheet: "Image", quality: int) -> bytes:
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _png(sheet: "Image") -> bytes:
    out = io.BytesIO()
    sheet.save(out, "PNG", compress_level=1)  # a third of the time of level 6, for 8 to 10 % more bytes
    return out.getvalue()

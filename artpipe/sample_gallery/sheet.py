"""A contact sheet of the practice gallery: a row a style, a column a type."""

import io
from collections.abc import Mapping

from artpipe.sample_gallery.drawing import picture_of
from artpipe.sample_gallery.plan import SampleGallery, Work
from artpipe.schema import STYLES, TYPES

PAPER = (250, 249, 246)
LABEL = (70, 66, 60)


def contact_sheet(
    gallery: SampleGallery, *, side_px: int = 150, styles: tuple[str, ...] = STYLES, types: tuple[str, ...] = TYPES
) -> bytes:
    """One work of every style and type as a PNG; a field stays empty where the gallery has none.

    Args:
        gallery: a planned gallery; its pictures are drawn here.
        side_px: how much room a picture has.
        styles: the rows.
        types: the columns.
    """
    from PIL import Image, ImageDraw, ImageFont

    chosen = _one_of_each(gallery)
    gap, margin, head = 10, 176, 34
    sheet = Image.new("RGB", (margin + len(types) * (side_px + gap), head + len(styles) * (side_px + gap)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, kind in enumerate(types):
        pen.text((margin + column * (side_px + gap) + side_px / 2, head / 2), kind, LABEL, font, anchor="mm")
    for row, style in enumerate(styles):
        top = head + row * (side_px + gap)
        pen.text((margin - 14, top + side_px / 2), style, LABEL, font, anchor="rm")
        for column, kind in enumerate(types):
            work = chosen.get((style, kind))
            if work is None:
                continue
            picture = picture_of(work)
            picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
            left = margin + column * (side_px + gap)
            sheet.paste(picture, (left + (side_px - picture.width) // 2, top + (side_px - picture.height) // 2))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _one_of_each(gallery: SampleGallery) -> Mapping[tuple[str, str], Work]:
    found: dict[tuple[str, str], Work] = {}
    for work in gallery.paintings:
        if work.picture == "drawn":
            found.setdefault((work.drawn_style, work.drawn_type), work)
    return found

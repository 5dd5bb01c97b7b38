import io

from PIL import Image

from artpipe.gallery.sample.plan import SampleGallery
from artpipe.gallery.sample.sheet import PAPER, contact_sheet


def test_the_contact_sheet_has_a_row_a_style_and_a_column_a_type(small: SampleGallery):
    work = next(work for work in small.paintings if work.picture == "drawn" and work.drawn_style == work.artist.style)
    data = contact_sheet(small, side_px=60, styles=(work.artist.style,), types=(work.drawn_type,))
    sheet = Image.open(io.BytesIO(data))
    assert sheet.size == (150 + 70, 34 + 70)
    assert sheet.getpixel((180, 64)) != PAPER

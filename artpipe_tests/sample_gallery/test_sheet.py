import io

from PIL import Image

from artpipe.sample_gallery.plan import SampleGallery
from artpipe.sample_gallery.sheet import PAPER, contact_sheet


def test_the_contact_sheet_has_a_row_a_style_and_a_column_a_type(small: SampleGallery):
    work = next(work for work in small.paintings if work.picture == "drawn")
    data = contact_sheet(small, side_px=60, styles=(work.drawn_style,), types=(work.drawn_type,))
    sheet = Image.open(io.BytesIO(data))
    assert sheet.size == (176 + 70, 34 + 70)
    assert sheet.getpixel((206, 64)) != PAPER

"""How each type of work is laid out: the composition of a `portrait`, a `still-life` and so on."""

from collections.abc import Callable

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.scenes.daily_life import genre
from artpipe.sample_gallery.scenes.histories import historical
from artpipe.sample_gallery.scenes.interiors import interior
from artpipe.sample_gallery.scenes.landscapes import landscape
from artpipe.sample_gallery.scenes.myths import mythological
from artpipe.sample_gallery.scenes.ornaments import other
from artpipe.sample_gallery.scenes.portraits import portrait
from artpipe.sample_gallery.scenes.sacred import religious
from artpipe.sample_gallery.scenes.still_lifes import still_life
from artpipe.sample_gallery.scenes.studies import study

SCENES: dict[str, Callable[[Canvas, str], None]] = {
    "religious": lambda c, _: religious(c),
    "portrait": portrait,
    "landscape": lambda c, _: landscape(c),
    "mythological": lambda c, _: mythological(c),
    "genre": lambda c, _: genre(c),
    "still-life": lambda c, _: still_life(c),
    "interior": lambda c, _: interior(c),
    "study": lambda c, _: study(c),
    "historical": lambda c, _: historical(c),
    "other": lambda c, _: other(c),
}
"""The function that composes a picture of each type, in the fashion of a style."""

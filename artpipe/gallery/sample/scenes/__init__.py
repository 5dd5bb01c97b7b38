"""How each type of work is laid out: what a person would sketch to say `portrait` or `still-life`."""

from collections.abc import Callable

from artpipe.gallery.sample.canvas import Canvas
from artpipe.gallery.sample.scenes.daily_life import genre
from artpipe.gallery.sample.scenes.histories import historical
from artpipe.gallery.sample.scenes.interiors import interior
from artpipe.gallery.sample.scenes.landscapes import landscape
from artpipe.gallery.sample.scenes.myths import mythological
from artpipe.gallery.sample.scenes.ornaments import other
from artpipe.gallery.sample.scenes.portraits import portrait
from artpipe.gallery.sample.scenes.sacred import religious
from artpipe.gallery.sample.scenes.still_lifes import still_life
from artpipe.gallery.sample.scenes.studies import study

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
"""What lays out a picture of each type, in the fashion of a style."""

"""Looks at a photograph: which part of it is the painting, and what the model makes of that part.

Where the collection holds the very painting, the match says where it lies. Elsewhere `picture_finder.py` looks for it.
Where it may be turned, it is also tried on its side and upside down; see `positions.py`. Search,
predictions, command line and web app all look by this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.embedding.predictions import PictureEncoder, Predictions
from artpipe.recognition.picture_finder import find_picture
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, WHOLE, Crop, View
from artpipe.search.positions import margin_over_upright, may_be_turned, upright_scores

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.recognition.same_painting import Match
    from artpipe.vectors.nearest import Vector

_TURNS = (1, 2, 3)


@dataclass(frozen=True)
class Look:
    """What was seen in a photograph.

    Attributes:
        predictions: of the part that shows the painting, one row.
        view: that part.
        match: the comparison with the collection's paintings; None where there was none.
    """

    predictions: Predictions
    view: View
    match: "Match | None" = None

    @property
    def vector(self) -> "Vector":
        """The embedding, float32 (D,)."""
        return self.predictions.vectors[0]

    @property
    def artwork_id(self) -> str | None:
        """The work of the collection that was recognised; None where none was."""
        return self.match.artwork_id if self.match else None


def look_at(
    photographs: "Sequence[Image]",
    encoder: "Callable[[], PictureEncoder]",
    short_side_px: int,
    recognise: "Callable[[Sequence[Image]], Sequence[Match | None]] | None" = None,
    crop: Crop | None = None,
) -> list[Look]:
    """Look at some photographs; those that are not recognised go through the model together.

    Args:
        photographs: RGB, with a short side of up to `PHOTOGRAPH_SHORT_SIDE_PX`.
        encoder: returns the model.
        short_side_px: that of the stored pictures.
        recognise: compares photographs with the paintings of the collection.
        crop: the part of each that shows the painting; looked for by default.

    Raises:
        UnusableCropError: the crop is no part of a picture.
    """
    chosen = None if crop is None else View.of_crop(crop)
    if chosen is not None:
        photographs = [chosen.of(photograph, PHOTOGRAPH_SHORT_SIDE_PX) for photograph in photographs]
    matches = recognise(photographs) if recognise else [None] * len(photographs)
    model = encoder()
    if chosen is not None:
        encoded = model.encode([WHOLE.of(photograph, short_side_px) for photograph in photographs])
        return [Look(encoded[slice(row, row + 1)], chosen, match) for row, match in enumerate(matches)]
    views = [_view(photograph, match) for photograph, match in zip(photographs, matches, strict=True)]
    seen = [view.of(photograph, short_side_px) for photograph, view in zip(photographs, views, strict=True)]
    encoded = model.encode(seen)
    looks = [Look(encoded[slice(row, row + 1)], view, matches[row]) for row, view in enumerate(views)]
    if encoded.positions is None:
        return looks
    asked = may_be_turned(encoded.positions)
    unsure = [row for row, look in enumerate(looks) if asked[row] and not look.match]
    if not unsure:
        return looks
    turns = [WHOLE.turned(quarters) for quarters in _TURNS]
    turned = model.encode([turn.of(seen[row], short_side_px) for row in unsure for turn in turns])
    if turned.positions is None:
        return looks
    scores = np.concatenate([encoded.positions[unsure][:, None], turned.positions.reshape(len(unsure), 3, 4)], axis=1)
    looks_upright = upright_scores(scores)
    is_turned = margin_over_upright(looks_upright) > 1
    for number, row in enumerate(unsure):
        if is_turned[number]:
            best = int(looks_upright[number, 1:].argmax())
            first = len(_TURNS) * number + best
            looks[row] = Look(turned[slice(first, first + 1)], views[row].turned(_TURNS[best]), matches[row])
    return looks


def _view(photograph: "Image", match: "Match | None") -> View:
    """The part of a photograph that is the painting, or the whole where none is found."""
    recognised = match.view if match else None
    if recognised is not None:
        return recognised
    found = find_picture(np.asarray(photograph))
    return WHOLE if found is None else View(found)

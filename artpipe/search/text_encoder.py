"""Words as vectors among those of the pictures: what a collection's own titles and labels look like.

A text encoder that needs no download. A ridge regression from the pictures' vectors to the words of their works gives
each word a direction, and the pictures furthest along it look like the works that the catalogue calls so. It finds
works whose own text does not say it, and knows no other words than the catalogue's: only those that pictures by other
artists confirm, see `text_encoder_fit.py`. A description is the sum of its words, weighted by their rarity, and is
searched for like any other vector.

Source: Hardoon et al., Canonical Correlation Analysis (2004), for the common space of words and pictures; the
regression is the special case in which the space of the pictures is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.catalog.names import normalized_name, similar_names
from artpipe.errors import ArtpipeError
from artpipe.lake.arrays import read_arrays, write_arrays
from artpipe.lake.paths import DataLake
from artpipe.search.queries import unit_vector
from artpipe.vectors.nearest import Vector

ENCODER_FILE = "text_encoder.npz"
_LINKS = frozenset(
    ["a", "an", "and", "at", "by", "for", "from", "his", "her", "in", "of", "on", "or", "the", "to", "with"]
)
"""Words between those that describe something."""


class NoTextEncoderError(ArtpipeError):
    """The words of this collection were not learned yet."""


class UnknownWordsError(ArtpipeError):
    """None of the words is known by its looks."""


def stems(text: str) -> list[str]:
    """The words of a text without accents, case and endings, in their order; those between others are left out."""
    return [_stem(word) for word in normalized_name(text).split() if len(word) > 1 and word not in _LINKS]


@cache
def _stem(word: str) -> str:
    from snowballstemmer import stemmer

    return stemmer("english").stemWord(word)


@dataclass(frozen=True)
class EncodedText:
    """A description as a vector.

    Attributes:
        vector: float32 (D,), of length 1.
        unknown: the words of the description that no picture taught.
    """

    vector: Vector
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class TextEncoder:
    """The words that can be searched for by looks.

    Attributes:
        model_id: of the model that made the pictures' vectors.
        stems: of the words, (W,).
        words: as the catalogue writes them most often, (W,).
        vectors: their directions times their rarity, float32 (W, D).
        precision: average precision of a search for each word among works by artists that did not teach it, (W,).
        share: of the works that have the word, which is the precision of a search by chance, (W,).
    """

    model_id: str
    stems: NDArray[np.str_]
    words: NDArray[np.str_]
    vectors: NDArray[np.float32]
    precision: NDArray[np.float32]
    share: NDArray[np.float32]

    def encode(self, text: str) -> EncodedText:
        """The vector of a description.

        Raises:
            UnknownWordsError: no word of it is known; the most similar ones are named.
        """
        written = {stem: word for word in normalized_name(text).split() for stem in stems(word)}
        known = [self._places[stem] for stem in written if stem in self._places]
        if not known:
            raise UnknownWordsError(f"{text.strip()!r} is not among the words known by looks{self._instead(written)}.")
        vector = self.vectors[known].sum(axis=0)
        unknown = tuple(word for stem, word in written.items() if stem not in self._places)
        return EncodedText(unit_vector(vector, len(vector)), unknown)

    @property
    def best_words(self) -> list[str]:
        """All words, those that their pictures tell best first."""
        gain = (self.precision - self.share) / (1 - self.share)
        return [str(word) for word in self.words[np.argsort(-gain, kind="stable")]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {str(stem): place for place, stem in enumerate(self.stems)}

    def _instead(self, written: "dict[str, str]") -> str:
        close = [word for each in written.values() for word in similar_names(each, self.words.tolist(), 2)]
        named: Sequence[str] = list(dict.fromkeys(close)) or self.best_words[:5]
        return f", as {', '.join(map(repr, named))} are" if named else "; this collection has taught none"


def save_text_encoder(lake: DataLake, encoder: TextEncoder) -> None:
    """Write it beside the search index."""
    write_arrays(lake.index(ENCODER_FILE), {name: getattr(encoder, name) for name in _STORED})


def open_text_encoder(lake: DataLake, model_id: str) -> TextEncoder | None:
    """The encoder for this model's vectors; None where it was not made yet or is of another model's."""
    encoder = read_arrays(lake.index(ENCODER_FILE), _encoder_of)
    return encoder if encoder and encoder.model_id == model_id else None


_STORED = tuple(one.name for one in fields(TextEncoder))


def _encoder_of(stored: Mapping[str, Any]) -> TextEncoder:
    return TextEncoder(str(stored["model_id"]), *(stored[name] for name in _STORED[1:]))

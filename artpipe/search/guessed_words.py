"""Words that a picture may show, guessed by the image-text model from a vocabulary: zero-shot, and never a label.

A model finds some words likely of every picture. So a word counts by how much better it fits this picture than the
other pictures of the collection, in standard deviations.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from artpipe.vectors.nearest import Vector

SUBJECTS = (
    "angel", "animal", "apple", "armour", "battle", "beach", "bird", "boat", "book", "bridge", "candle", "castle",
    "cat", "cattle", "child", "church", "city", "cliff", "clouds", "cross", "crowd", "crown", "dance", "dog",
    "feast", "field", "fire", "fish", "flowers", "forest", "fruit", "garden", "hat", "horse", "hunt", "interior",
    "island", "king", "kitchen", "lake", "landscape", "lion", "man with a beard", "map", "market", "mirror",
    "moonlight", "mother and child", "mountains", "musical instruments", "night", "nude", "old man", "old woman",
    "palace", "peasants", "portrait", "river", "rocks", "ruins", "saint", "sea", "self-portrait", "sheep", "ship",
    "skull", "snow", "soldiers", "square", "stairs", "still life", "storm", "street", "sunset", "sword", "table",
    "tavern", "temple", "tomb", "tree", "village", "vineyard", "waterfall", "wedding", "window", "winter",
    "woman reading", "young man", "young woman",
)  # fmt: skip
"""What paintings often show."""
MOST_COMPARED = 5_000
"""So many works, evenly spread, stand for the collection."""


def guessed_words(
    picture: Vector, pictures: Vector, vocabulary: Sequence[str], words: Vector, count: int
) -> pl.DataFrame:
    """The words of a vocabulary that fit a picture best beside other pictures, best first.

    Args:
        picture: float32 (D,), of length 1.
        pictures: those that it is compared with, float32 (N, D).
        vocabulary: V words or descriptions.
        words: their vectors, float32 (V, D).
        count: how many.

    Returns:
        `word`, `similarity` (cosine), and `standard_score`: by how many standard deviations it exceeds that of others.
    """
    others = pictures @ words.T
    similarity = words @ picture
    score = (similarity - others.mean(0)) / np.maximum(others.std(0), 1e-6)
    table = pl.DataFrame({"word": list(vocabulary), "similarity": similarity, "standard_score": score})
    return table.sort("standard_score", "word", descending=[True, False]).head(count)

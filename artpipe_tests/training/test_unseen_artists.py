"""Heads that were trained without some of the artists tell how over-confident a model is about unseen ones."""

import numpy as np
import torch
from torch import nn

from artpipe.models.labels import UNKNOWN
from artpipe.models.network import MultiTaskClassifier
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.unseen_artists import FOLDS, HeadRows, artist_folds, unseen_artist_factors

ARTISTS, WORKS, CLASSES, WIDTH, EPOCHS = 40, 16, 4, 24, 100


def gallery(*, by_artist: bool, seed: int = 0) -> tuple[HeadRows, list[str], HeadRows]:
    """Training rows with their artists, and validation rows; the class shows in an artist's manner, or in each work."""
    rng = np.random.default_rng(seed)
    artists = np.repeat(np.arange(ARTISTS), WORKS)
    manner, look = rng.normal(0, 1, (ARTISTS, WIDTH)), rng.normal(0, 1, (CLASSES, WIDTH))
    labels = rng.integers(0, CLASSES, ARTISTS)[artists] if by_artist else rng.integers(0, CLASSES, len(artists))
    shown = (manner[artists] if by_artist else look[labels]) + rng.normal(0, 1.2, (len(artists), WIDTH))
    is_validation = np.arange(len(artists)) % 4 == 0

    def rows(chosen: np.ndarray) -> HeadRows:
        features = torch.from_numpy(shown[chosen].astype(np.float32))[None]
        return HeadRows(features, torch.from_numpy(labels[chosen])[:, None])

    return rows(~is_validation), [f"artist {each}" for each in artists[~is_validation]], rows(is_validation)


def factors(train: HeadRows, artists: list[str | None], validation: HeadRows) -> dict[str, float]:
    torch.manual_seed(0)
    loss_of = MultiTaskLoss({"style": torch.ones(CLASSES)}, 0.1)
    head = MultiTaskClassifier(nn.Identity(), WIDTH, {"style": CLASSES}, 16, 0.3)
    train_head(head, train.features, train.labels, loss_of, EPOCHS)
    return unseen_artist_factors(head, train, artists, validation, loss_of, EPOCHS, 1, seed=0)


def test_where_a_class_shows_in_the_manner_of_its_artists_the_temperature_rises():
    by_artist = factors(*gallery(by_artist=True))["style"]
    by_work = factors(*gallery(by_artist=False))["style"]
    assert by_artist > 1.2
    assert abs(by_work - 1) < 0.1


def test_the_same_seed_gives_the_same_factors():
    given = gallery(by_artist=True)
    assert factors(*given) == factors(*given)


def test_the_rows_of_an_artist_share_a_fold_and_rows_without_one_have_none():
    artists = ["a", "b", None, "a", "c", "d", "b", None]
    folds = artist_folds(artists, seed=0)
    assert folds[0] == folds[3]
    assert folds[1] == folds[6]
    assert set(folds[[2, 7]]) == {-1}
    assert set(folds[[0, 1, 4, 5]]) == set(range(FOLDS))


def test_too_few_labels_or_artists_give_no_factor():
    train, artists, validation = gallery(by_artist=True)
    assert factors(train, ["one"] * len(artists), validation) == {}
    assert factors(train, [None] * len(artists), validation) == {}
    few = torch.where(torch.arange(len(validation.labels))[:, None] < 99, validation.labels, UNKNOWN)
    assert factors(train, artists, HeadRows(validation.features, few)) == {}

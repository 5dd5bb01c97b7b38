"""Injected wrong labels are found, correct ones are not suspected, and rows that cannot be evaluated are left out."""

import numpy as np
import pytest

from artpipe.evaluation import label_noise
from artpipe.evaluation.label_noise import (
    HeadConfig,
    drop_rare_classes,
    find_label_noise,
    out_of_sample_probabilities,
    work_folds,
)
from artpipe.models.labels import UNKNOWN

QUICK = HeadConfig(hidden=32, epochs=40)
CLASSES, DIMENSIONS = 4, 12


def pictures(works: int, *, each: int = 2, seed: int = 0):
    """Vectors around one centre for each class, their true labels, and works of `each` pictures."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(works) % CLASSES, each)
    centres = 2.5 * random.standard_normal((CLASSES, DIMENSIONS))
    vectors = (centres[truth] + random.standard_normal((len(truth), DIMENSIONS))).astype(np.float32)
    return vectors, truth, [f"w{i // each}" for i in range(len(truth))]


def noise_of(vectors, labels, work_ids, config: HeadConfig = QUICK, classes: int = CLASSES):
    labels = drop_rare_classes(labels, work_ids, config.min_works)
    (probabilities,) = out_of_sample_probabilities(vectors.__getitem__, labels[:, None], work_ids, [classes], config)
    return find_label_noise(probabilities, labels)


def test_injected_wrong_labels_are_found_and_correct_ones_are_not_suspected():
    vectors, truth, work_ids = pictures(300)
    wrong = np.random.default_rng(1).choice(len(truth), 60, replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + 1) % CLASSES
    noise = noise_of(vectors, labels, work_ids)
    found = set(noise.rows) & set(wrong)
    # A threshold is a mean, so that some of the wrong rows stay below it; the joint makes up for them.
    assert len(found) / len(wrong) > 0.75
    assert len(found) / len(noise.rows) > 0.95
    assert (noise.suggested == truth[noise.rows]).mean() > 0.95
    assert noise.rate == pytest.approx(0.1, abs=0.02)
    assert (np.diff(noise.margins) <= 0).all()


def test_a_head_learns_from_a_sample_of_very_many_rows_and_judges_them_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(label_noise, "MAX_TRAINED", 300)
    monkeypatch.setattr(label_noise, "_ROWS_AT_ONCE", 32)
    vectors, truth, work_ids = pictures(300)
    labels = truth.copy()
    labels[:30] = (truth[:30] + 1) % CLASSES
    read: list[int] = []

    def vectors_at(rows: np.ndarray) -> np.ndarray:
        read.append(len(rows))
        return vectors[rows]

    (found,) = out_of_sample_probabilities(vectors_at, labels[:, None], work_ids, [CLASSES], QUICK)
    assert np.isfinite(found).all()
    assert max(read) == 300
    noise = find_label_noise(found, labels)
    assert len(set(noise.rows) & set(range(30))) >= 18


def test_correct_labels_alone_are_not_suspected():
    noise = noise_of(*pictures(300))
    assert len(noise.rows) <= 3
    assert noise.rate is not None
    assert noise.rate < 0.01


def test_a_wrong_label_shared_by_all_pictures_of_a_work_is_found():
    vectors, truth, work_ids = pictures(120, each=3)
    vectors[:3] = vectors[truth == truth[0]].mean(axis=0)
    labels = truth.copy()
    labels[:3] = 2
    assert set(noise_of(vectors, labels, work_ids).rows) == {0, 1, 2}


def test_the_pictures_of_a_work_share_a_fold_and_the_folds_are_even():
    folds = work_folds([f"w{i // 2}" for i in range(4000)], 5)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).min() > 700
    assert (work_folds(["a/b"], 5) == work_folds(["x", "a/b"], 5)[1:]).all()


def test_the_result_depends_on_the_seed_and_global_random_state_is_kept():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    once, again = (noise_of(*pictures(80)).joint for _ in range(2))
    assert (once == again).all()
    assert torch.rand(1) == expected


def test_a_class_of_few_works_is_neither_trained_on_nor_evaluated():
    vectors, truth, work_ids = pictures(100)
    labels = truth.copy()
    labels[:2] = CLASSES  # one work
    noise = noise_of(vectors, labels, work_ids, classes=CLASSES + 1)
    assert noise.evaluated == 198
    assert not {0, 1} & set(noise.rows)
    assert CLASSES not in noise.suggested


def test_an_unknown_label_is_left_out():
    vectors, truth, work_ids = pictures(100)
    labels = truth.copy()
    labels[10:20] = UNKNOWN
    noise = noise_of(vectors, labels, work_ids)
    assert noise.evaluated == 190
    assert not set(range(10, 20)) & set(noise.rows)


@pytest.mark.parametrize("labels", [[UNKNOWN] * 12, list(range(12)), [0] * 12, [0, 1] * 6])
def test_noise_is_measured_where_there_are_two_classes(labels):
    random = np.random.default_rng(0)
    noise = noise_of(
        random.standard_normal((12, 4)).astype(np.float32),
        np.array(labels),
        [f"w{i}" for i in range(12)],
        classes=12,
    )
    can_be_evaluated = len(set(labels)) == 2
    assert (noise.evaluated == 12) is can_be_evaluated
    assert (noise.rate is not None) is can_be_evaluated


def test_the_joint_of_given_and_true_labels_is_calibrated_to_the_given_ones():
    # Thresholds are 0.625 and 0.8: the third row is surely of class 1, the fourth of neither.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8]], np.float32)
    noise = find_label_noise(probabilities, np.array([0, 0, 0, 0, 1]))
    assert noise.rows.tolist() == [2]
    assert noise.margins == pytest.approx([0.8])
    assert noise.joint == pytest.approx(np.array([[0.8 * 2 / 3, 0.8 / 3], [0, 0.2]]))
    assert noise.rate == pytest.approx(0.8 / 3)


def test_a_label_that_is_still_the_likeliest_is_not_suspect():
    probabilities = np.array([[0.9, 0.1], [0.55, 0.45], [0.6, 0.4]], np.float32)
    noise = find_label_noise(probabilities, np.array([0, 0, 1]))  # class 1 is sure from 0.4 on
    assert 1 not in noise.rows
    assert noise.joint[0, 1] == 0

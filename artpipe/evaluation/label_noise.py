"""Label errors by confident learning: pure functions over vectors and labels.

Cross-validation over works gives every image out-of-sample probabilities, from a small head that was not trained on its
work. Where they are confident of another class, relative to the mean confidence of that class, the label is suspect.
`suspects.py` makes the table and the contact sheets for a person to review.

Source: Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels", arXiv:1911.00068.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from artpipe.models.labels import UNKNOWN
from artpipe.models.network import MultiTaskClassifier
from artpipe.progress import Progress, SilentProgress
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss

VectorsAt = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""The vectors of some rows, float32 (n, D): those of a large collection are read when they are needed."""
MAX_TRAINED = 100_000
"""Rows that a head learns from; of more, so many drawn at random."""
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class HeadConfig:
    """Architecture and training of the small head.

    Args:
        folds: of the cross-validation; a work is in one fold.
        min_works: a class of fewer works is neither trained on nor evaluated.
        seed: of the folds, the weights and the batches.
    """

    folds: int = 5
    min_works: int = 5
    hidden: int = 512
    epochs: int = 20
    dropout: float = 0.3
    label_smoothing: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class LabelNoise:
    """Suspect labels of one task, and how noisy its labels are as a whole.

    Attributes:
        rows: int64 (S,), numbers of the suspect rows, the likeliest wrong first.
        suggested: int64 (S,), the more probable class of each.
        margins: float64 (S,), probability of `suggested` minus that of the label, in (0, 1].
        joint: float64 (C, C), the estimated joint distribution of given (row) and true (column) labels; adds up to 1,
            or is all 0 where no row could be evaluated.
        evaluated: number of rows with a label and out-of-sample probabilities.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margins: NDArray[np.float64]
    joint: NDArray[np.float64]
    evaluated: int

    @property
    def rate(self) -> float | None:
        """The estimated share of wrong labels; None where no row could be evaluated.

        Far too high where classes shade into one another (a picture of 1653 predicted as one of 1640), since errors of
        the head count as label errors; use it to compare catalogues or sets of features.
        """
        return max(0.0, float(1.0 - np.trace(self.joint))) if self.evaluated else None


def work_folds(work_ids: Sequence[str], folds: int, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, int64 (N,): by a hash of its work, so that the images of a work share one."""
    key = str(seed).encode()
    digests = (blake2b(work_id.encode(), digest_size=8, key=key).digest() for work_id in work_ids)
    return np.array([int.from_bytes(digest) % folds for digest in digests], np.int64)


def drop_rare_classes(labels: NDArray[np.int64], work_ids: Sequence[str], min_works: int) -> NDArray[np.int64]:
    """The labels of one task, `UNKNOWN` for those of classes with fewer than `min_works` works."""
    works: dict[int, set[str]] = {}
    for label, work_id in zip(labels.tolist(), work_ids, strict=True):
        works.setdefault(label, set()).add(work_id)
    rare = [label for label, ids in works.items() if len(ids) < min_works]
    return np.where(np.isin(labels, rare), UNKNOWN, labels)


def out_of_sample_probabilities(
    vectors_at: VectorsAt,
    labels: NDArray[np.int64],
    work_ids: Sequence[str],
    classes: Sequence[int],
    config: HeadConfig | None = None,
    progress: Progress | None = None,
) -> list[NDArray[np.float32]]:
    """Cross-validated probabilities, each from a head trained on other works; one head learns all tasks.

    Args:
        vectors_at: of the N rows.
        labels: int64 (N, tasks), `UNKNOWN` where a label is missing.
        work_ids: of each row; the rows of a work share a fold.
        classes: the number of classes C of each task.
        config: of the heads.
        progress: shows the folds; silent by default.

    Returns:
        For each task float32 (N, C). A class without rows in the other folds has probability 0; a row of such a class
        is NaN, and so is one where the other folds have fewer than two classes.
    """
    config = config or HeadConfig()
    fold_of = work_folds(work_ids, config.folds, config.seed)
    found = [np.full((len(labels), count), np.nan, np.float32) for count in classes]
    for fold in _shown(config.folds, progress or SilentProgress()):
        train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        known = [np.isin(np.arange(count), labels[train, task]) for task, count in enumerate(classes)]
        if not len(test) or not any(k.sum() > 1 for k in known):
            continue
        head = _fitted(vectors_at, labels, _drawn(train, fold, config.seed), classes, config)
        for first in range(0, len(test), _ROWS_AT_ONCE):
            rows = test[first : first + _ROWS_AT_ONCE]
            with torch.no_grad():  # and not inference_mode: the scores are written to
                logits = head.forward_head(torch.from_numpy(vectors_at(rows)))[1].values()
            for task, scores in enumerate(logits):
                if known[task].sum() > 1:
                    scores[:, torch.from_numpy(~known[task])] = -torch.inf
                    found[task][rows] = scores.softmax(dim=1).numpy()
                    own = labels[rows, task]
                    found[task][rows[(own != UNKNOWN) & ~known[task][own]]] = np.nan
    return found


def find_label_noise(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> LabelNoise:
    """The suspect labels of one task.

    A class's threshold is the mean probability of it over the rows labelled with it. A row counts as confidently of the
    most probable class whose threshold it reaches, or of its label if that is more probable still: a rare class has a
    low threshold, and would attract rows of every label. Counted by given label, that is the confident joint; the
    suspects are off its diagonal.

    Args:
        probabilities: float32 (N, C), out of sample; NaN rows are left out.
        labels: int64 (N,), `UNKNOWN` where a label is missing; such rows are left out.
    """
    count = probabilities.shape[1]
    evaluated = np.flatnonzero((labels != UNKNOWN) & np.isfinite(probabilities).all(axis=1))
    p, given = probabilities[evaluated].astype(np.float64), labels[evaluated]
    own = p[np.arange(len(given)), given]
    rows_of = np.bincount(given, minlength=count)
    # No row reaches the threshold of a class that no row is labelled with.
    thresholds = np.where(rows_of > 0, np.bincount(given, own, minlength=count) / np.maximum(rows_of, 1), np.inf)
    is_confident = p >= thresholds
    confident_class = np.where(is_confident, p, -1.0).argmax(axis=1)
    counted = is_confident.any(axis=1)
    margins = p[np.arange(len(given)), confident_class] - own
    confident_class = np.where(margins > 0, confident_class, given)
    joint = np.zeros((count, count))
    np.add.at(joint, (given[counted], confident_class[counted]), 1.0)
    suspect = np.flatnonzero(counted & (confident_class != given))
    order = suspect[np.argsort(-margins[suspect], kind="stable")]
    calibrated = _calibrated(joint, rows_of)
    return LabelNoise(evaluated[order], confident_class[order], margins[order], calibrated, len(evaluated))


def _calibrated(joint: NDArray[np.float64], rows_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """The confident joint as a distribution whose rows add up to the shares of the given labels."""
    row_sums = joint.sum(axis=1)
    joint = joint + np.diag(np.where(row_sums == 0, rows_of, 0))  # without a confident row, the labels count as right
    scaled = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-12) * rows_of[:, None]
    return scaled / max(scaled.sum(), 1e-12)


def _shown(folds: int, progress: Progress) -> Iterator[int]:
    with progress.track("cross-validate", folds, "folds") as step:
        for fold in range(folds):
            yield fold
            step.advance()


def _drawn(rows: NDArray[np.int64], fold: int, seed: int) -> NDArray[np.int64]:
    """At most `MAX_TRAINED` of the rows, in their order."""
    if len(rows) <= MAX_TRAINED:
        return rows
    return np.sort(np.random.default_rng([seed, fold]).choice(rows, MAX_TRAINED, replace=False))


def _fitted(
    vectors_at: VectorsAt,
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    classes: Sequence[int],
    config: HeadConfig,
) -> MultiTaskClassifier:
    """A head trained on these rows."""
    counts = {str(task): count for task, count in enumerate(classes)}
    vectors = torch.from_numpy(vectors_at(rows))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = MultiTaskClassifier(nn.Identity(), vectors.shape[1], counts, config.hidden, config.dropout)
        loss_of = MultiTaskLoss({task: torch.ones(count) for task, count in counts.items()}, config.label_smoothing)
        train_head(head, vectors[None], torch.from_numpy(labels[rows]), loss_of, config.epochs)
    return head

"""Which labels are likely to be wrong, by confident learning: pure functions over vectors and labels.

A small head learns the labels of most works and says what it thinks of the others, so that each picture is judged by
a head that never saw its work. Where that head is sure of another class, by the measure of how sure it usually is of
that class, the label is suspect. `suspects.py` makes the table and the pictures for a person to look at.

Source: Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels", arXiv:1911.00068.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artpipe.models.labels import UNKNOWN
from artpipe.models.network import MultiTaskClassifier
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss


@dataclass(frozen=True)
class HeadConfig:
    """How the small head is made and fitted.

    Args:
        folds: parts that the works are dealt into; each is judged by a head fitted on the others.
        least_works: a class of fewer works is neither taught nor judged: too few to say what it looks like.
        seed: of the folds, the weights and the batches.
    """

    folds: int = 5
    least_works: int = 5
    hidden: int = 512
    epochs: int = 20
    dropout: float = 0.3
    label_smoothing: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Noise:
    """What is suspect in the labels of one task, and how noisy they are as a whole.

    Attributes:
        rows: int64 (S,), numbers of the suspect rows, the likeliest wrong first.
        suggested: int64 (S,), the class that each is likelier to be.
        margins: float64 (S,), how much likelier: probability of `suggested` minus that of the label, in (0, 1].
        joint: float64 (C, C), the estimated joint distribution of given (row) and true (column) labels; adds up to 1,
            or is all 0 where nothing could be judged.
        judged: how many rows could be judged.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margins: NDArray[np.float64]
    joint: NDArray[np.float64]
    judged: int

    @property
    def rate(self) -> float | None:
        """The estimated share of wrong labels; None where nothing could be judged.

        Where classes shade into one another (a picture of 1653 is called one of 1640) this is far too much, since a
        head that errs is believed; it tells one catalogue, or one set of features, from another.
        """
        return max(0.0, float(1.0 - np.trace(self.joint))) if self.judged else None


def work_folds(work_ids: Sequence[str], folds: int, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, int64 (N,): a hash of its work, so that the pictures of a work are judged together."""
    key = str(seed).encode()
    digests = (blake2b(work_id.encode(), digest_size=8, key=key).digest() for work_id in work_ids)
    return np.array([int.from_bytes(digest) % folds for digest in digests], np.int64)


def judgeable(labels: NDArray[np.int64], work_ids: Sequence[str], least_works: int) -> NDArray[np.int64]:
    """The labels of one task without those of classes that too few works have; these become `UNKNOWN`."""
    works: dict[int, set[str]] = {}
    for label, work_id in zip(labels.tolist(), work_ids, strict=True):
        works.setdefault(label, set()).add(work_id)
    rare = [label for label, ids in works.items() if len(ids) < least_works]
    return np.where(np.isin(labels, rare), UNKNOWN, labels)


def out_of_sample_probabilities(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    work_ids: Sequence[str],
    classes: Sequence[int],
    config: HeadConfig | None = None,
) -> list[NDArray[np.float32]]:
    """What heads that never saw a row's work say of it; one head learns all tasks at once.

    Args:
        vectors: float32 (N, D).
        labels: int64 (N, tasks), `UNKNOWN` where a label is missing.
        work_ids: of each row; the rows of a work share a fold.
        classes: the number of classes C of each task.
        config: how the heads are fitted.

    Returns:
        For each task float32 (N, C). A class that the other folds do not teach has probability 0; a row of such a
        class is NaN, and so is one where they teach less than two: there is nothing to judge it by.
    """
    config = config or HeadConfig()
    fold_of = work_folds(work_ids, config.folds, config.seed)
    found = [np.full((len(vectors), count), np.nan, np.float32) for count in classes]
    for fold in range(config.folds):
        taught, judged = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        known = [np.isin(np.arange(count), labels[taught, task]) for task, count in enumerate(classes)]
        if not len(judged) or not any(k.sum() > 1 for k in known):
            continue
        logits = _fit_and_judge(vectors[taught], labels[taught], vectors[judged], classes, config)
        for task, scores in enumerate(logits):
            if known[task].sum() > 1:
                scores[:, torch.from_numpy(~known[task])] = -torch.inf
                found[task][judged] = scores.softmax(dim=1).numpy()
                own = labels[judged, task]
                found[task][judged[(own != UNKNOWN) & ~known[task][own]]] = np.nan
    return found


def find_noise(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Noise:
    """The suspect labels of one task.

    A class's threshold is the mean probability that rows labelled so have of it. A row counts as confidently of the
    likeliest class among those whose threshold it reaches, or of its label, if that is likelier still: a rare class
    has a low threshold, and would draw rows from everywhere. Counted by given label, that is the confident joint; off
    its diagonal stand the suspects.

    Args:
        probabilities: float32 (N, C), out of sample; NaN rows are not judged.
        labels: int64 (N,), `UNKNOWN` where a label is missing; such rows are not judged.
    """
    count = probabilities.shape[1]
    judged = np.flatnonzero((labels != UNKNOWN) & np.isfinite(probabilities).all(axis=1))
    p, given = probabilities[judged].astype(np.float64), labels[judged]
    own = p[np.arange(len(given)), given]
    rows_of = np.bincount(given, minlength=count)
    # No row reaches the threshold of a class that no row is labelled with.
    thresholds = np.where(rows_of > 0, np.bincount(given, own, minlength=count) / np.maximum(rows_of, 1), np.inf)
    is_sure = p >= thresholds
    sure_of = np.where(is_sure, p, -1.0).argmax(axis=1)
    counted = is_sure.any(axis=1)
    margins = p[np.arange(len(given)), sure_of] - own
    sure_of = np.where(margins > 0, sure_of, given)
    joint = np.zeros((count, count))
    np.add.at(joint, (given[counted], sure_of[counted]), 1.0)
    suspect = np.flatnonzero(counted & (sure_of != given))
    order = suspect[np.argsort(-margins[suspect], kind="stable")]
    return Noise(judged[order], sure_of[order], margins[order], _calibrated(joint, rows_of), len(judged))


def _calibrated(joint: NDArray[np.float64], rows_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """The confident joint as a distribution whose rows add up to the shares of the given labels."""
    row_sums = joint.sum(axis=1)
    joint = joint + np.diag(np.where(row_sums == 0, rows_of, 0))  # where nobody is sure, the labels are believed
    scaled = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-12) * rows_of[:, None]
    return scaled / max(scaled.sum(), 1e-12)


def _fit_and_judge(
    taught: NDArray[np.float32],
    labels: NDArray[np.int64],
    judged: NDArray[np.float32],
    classes: Sequence[int],
    config: HeadConfig,
) -> list[Tensor]:
    """Logits (rows, C) of the judged rows for each task, from a head fitted on the others."""
    counts = {str(task): count for task, count in enumerate(classes)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = MultiTaskClassifier(nn.Identity(), taught.shape[1], counts, config.hidden, config.dropout)
        loss_of = MultiTaskLoss({task: torch.ones(count) for task, count in counts.items()}, config.label_smoothing)
        train_head(head, torch.from_numpy(taught)[None], torch.from_numpy(labels), loss_of, config.epochs)
    with torch.no_grad():  # and not inference_mode: the caller writes to these
        return list(head.forward_head(torch.from_numpy(judged))[1].values())

"""An uploaded picture as a piece of an address.

Pictures of visitors are never kept, and yet their results have an address that can be shared and outlives a restart:
the token holds what the model saw, the vector in a byte a number and its likeliest labels, and nothing that shows the
picture. Another model sees otherwise, so a token names the model it belongs to.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.predictions import Predictions

LABELS_A_TASK = 3
_FORMAT = 2
_HEAD = struct.Struct("<B8sHBB")  # format, model, length of the vector, what came of comparing it, length of the match
_NOT_COMPARED, _COMPARED, _UNDECIDED = range(3)
_NO_LABEL = 255
_DAMAGED = "this address of a picture's results is incomplete; copy the whole of it again."
_LONGEST_MATCH = 255


class UnusableTokenError(ArtpipeError):
    """The address of a picture's results is cut short, changed, or of a model that is no longer served."""


@dataclass(frozen=True)
class Verdict:
    """Whether a picture shows a very painting of the collection.

    Attributes:
        artwork_id: the work; None where the collection does not hold it.
        certainty: 1 less the share of pictures of paintings that are not held which agree as well with one that is.
    """

    artwork_id: str | None
    certainty: float = 0.0

    @property
    def one_in(self) -> int:
        """Of how many pictures of paintings that are not held one at most would agree as well."""
        return int(1 / max(1 - self.certainty, 1e-9))


@dataclass(frozen=True)
class SeenPicture:
    """What is known of an uploaded picture.

    Attributes:
        vector: float32 (D,), of length 1.
        best: for each task (label, probability), most likely first.
        verdict: whether it shows a very painting of the collection; None where that cannot be decided.
        is_undecided: whether the verdict comes later.
    """

    vector: "NDArray[np.float32]"
    best: dict[str, list[tuple[str, float]]]
    verdict: Verdict | None = None
    is_undecided: bool = False


def seen_picture(encoded: "Predictions", labels: Mapping[str, list[str]]) -> SeenPicture:
    """The first picture of a batch as the model saw it."""
    best: dict[str, list[tuple[str, float]]] = {}
    for task in TASKS:
        if task in encoded.probabilities:
            chances = encoded.probabilities[task][0]
            order = np.argsort(-chances, kind="stable")[:LABELS_A_TASK]
            best[task] = [(labels[task][place], float(chances[place])) for place in order]
    return SeenPicture(encoded.vectors[0], best)


def token_of(seen: SeenPicture, model_id: str, labels: Mapping[str, list[str]]) -> str:
    """Write down a picture so that it fits into an address: about 1.4 characters for each number of its vector."""
    steps = np.round(seen.vector / np.abs(seen.vector).max() * 127).astype(np.int8)
    chances = bytearray()
    for task in TASKS:
        told = seen.best.get(task, [])[:LABELS_A_TASK]
        for label, probability in told:
            chances += bytes([labels[task].index(label), round(probability * 255)])
        chances += bytes([_NO_LABEL, 0]) * (LABELS_A_TASK - len(told))
    compared = _UNDECIDED if seen.is_undecided else _NOT_COMPARED if seen.verdict is None else _COMPARED
    return _packed(_model_mark(model_id), steps.tobytes(), bytes(chances), compared, seen.verdict)


def with_verdict(token: str, verdict: Verdict | None) -> str:
    """The token of the same picture once it was compared; None where nothing can be said of that.

    Raises:
        UnusableTokenError: it is damaged.
    """
    parts = _unpacked(token)
    compared = _NOT_COMPARED if verdict is None else _COMPARED
    return _packed(parts.mark, parts.steps, parts.chances, compared, verdict)


@dataclass(frozen=True)
class _Parts:
    """What a token is made of."""

    mark: bytes
    steps: bytes
    chances: bytes
    compared: int
    match: bytes
    certainty: int


def _packed(mark: bytes, steps: bytes, chances: bytes, compared: int, verdict: Verdict | None) -> str:
    verdict = verdict or Verdict(None)
    match = (verdict.artwork_id or "").encode()[:_LONGEST_MATCH]
    head = _HEAD.pack(_FORMAT, mark, len(steps), compared, len(match))
    # Rounded down, so that an address never tells more than was measured.
    body = head + steps + chances + match + bytes([int(verdict.certainty * 255)])
    return base64.urlsafe_b64encode(body + struct.pack("<I", zlib.crc32(body))).rstrip(b"=").decode()


def _unpacked(token: str) -> _Parts:
    damaged = UnusableTokenError(_DAMAGED)
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, (check,) = data[:-4], struct.unpack("<I", data[-4:])
        made_as, mark, length, compared, match_length = _HEAD.unpack(body[: _HEAD.size])
    except (binascii.Error, ValueError, struct.error) as error:
        raise damaged from error
    chances_at = _HEAD.size + length
    match_at = chances_at + len(TASKS) * LABELS_A_TASK * 2
    if zlib.crc32(body) != check or made_as != _FORMAT or len(body) != match_at + match_length + 1:
        raise damaged
    steps, chances, match = body[_HEAD.size : chances_at], body[chances_at:match_at], body[match_at:-1]
    return _Parts(mark, steps, chances, compared, match, body[-1])


def read_token(token: str, model_id: str, labels: Mapping[str, list[str]]) -> SeenPicture:
    """Read what `token_of` wrote.

    Raises:
        UnusableTokenError: it is damaged, or another model saw the picture.
    """
    parts = _unpacked(token)
    if parts.mark != _model_mark(model_id):
        raise UnusableTokenError(
            "the model has been trained again since this picture was looked at; choose the picture once more."
        )
    steps = np.frombuffer(parts.steps, np.int8).astype(np.float32)
    best: dict[str, list[tuple[str, float]]] = {}
    for number, task in enumerate(TASKS):
        told = parts.chances[2 * LABELS_A_TASK * number :][: 2 * LABELS_A_TASK]
        names = labels.get(task, [])
        pairs = zip(told[::2], told[1::2], strict=True)
        best[task] = [(names[label], chance / 255) for label, chance in pairs if label < len(names)]
    try:
        match = parts.match.decode() or None
    except UnicodeDecodeError as error:
        raise UnusableTokenError(_DAMAGED) from error
    strength = float(np.linalg.norm(steps))
    if strength == 0:
        raise UnusableTokenError(_DAMAGED)
    known = {task: pairs for task, pairs in best.items() if pairs}
    verdict = Verdict(match, parts.certainty / 255) if parts.compared == _COMPARED else None
    return SeenPicture(steps / np.float32(strength), known, verdict, parts.compared == _UNDECIDED)


def _model_mark(model_id: str) -> bytes:
    return model_id.encode()[:8].ljust(8, b"\0")

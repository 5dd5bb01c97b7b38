"""An uploaded picture as a piece of an address.

Uploads are never stored, and yet their results have an address that can be shared and outlives a restart: the token
holds the embedding as int8, the most probable labels, which part of the photograph they are of and the verdict, and
nothing that shows the picture. Embeddings of two models cannot be compared, so a token names the model that made it.

Layout, before base64url: format (uint8), model id (8 bytes), embedding length (uint16), state of the comparison and
whether it looks like a painting (uint8), length of the match (uint8), embedding (int8), for each task `LABELS_PER_TASK`
pairs of class index and probability (uint8 each), id of the match (UTF-8), certainty (uint8), view (whether it is
mirrored, uint8, and the x and y of four corners, int16, in ten thousandths), CRC-32 of the picture (uint32), so that
two pictures of one embedding, such as a picture and its mirror image, are compared each, CRC-32 (uint32). Format 2, of
earlier releases, lacks the view and the picture's CRC-32.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.recognition.view import WHOLE, View
from artpipe.search.predictions import best_labels, looks_like_painting
from artpipe.tasks import WGA_TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.recognition.same_painting import Match
    from artpipe.search.photographs import Look

LABELS_PER_TASK = 3
_FORMAT, _FORMAT_WITHOUT_VIEW = 3, 2
_HEADER = struct.Struct("<B8sHBB")
_VIEW = struct.Struct("<B8hI")
_NOT_COMPARED, _COMPARED, _PENDING = range(3)
_PAINTING: dict[bool | None, int] = {None: 0, True: 4, False: 8}
"""Added to the state of the comparison; tokens of earlier releases have 0."""
_NO_LABEL = 255
_DAMAGED = "the address of these results is incomplete; copy the whole address again."
_MAX_MATCH_BYTES = 255
_TEN_THOUSANDTHS = 10_000


class UnusableTokenError(ArtpipeError):
    """The address of a picture's results is cut short, changed, or of a model that is no longer served."""


@dataclass(frozen=True)
class Verdict:
    """Whether a picture shows a painting of the collection.

    Attributes:
        artwork_id: the painting; None where the collection does not have it.
        certainty: 1 - false-positive rate at this match strength.
    """

    artwork_id: str | None
    certainty: float = 0.0

    @classmethod
    def of(cls, match: "Match") -> "Verdict":
        """What a comparison says."""
        return cls(match.artwork_id, 1 - match.false_positive_rate) if match else cls(None)

    @property
    def one_in(self) -> int:
        """N where the false-positive rate at this match strength is at most 1 in N."""
        return int(1 / max(1 - self.certainty, 1e-9))


@dataclass(frozen=True)
class EncodedPicture:
    """What the model and the comparison found for an uploaded picture.

    Attributes:
        vector: the embedding, float32 (D,), of length 1.
        predictions: for each task (label, probability), most probable first.
        verdict: whether it shows a painting of the collection; None where that is unknown.
        is_verdict_pending: whether the verdict comes later.
        view: the part of the photograph that the embedding is of.
        checksum: CRC-32 of the picture's bytes.
        is_painting: whether it looks like a painting; None where that was not measured.
    """

    vector: "NDArray[np.float32]"
    predictions: dict[str, list[tuple[str, float]]]
    verdict: Verdict | None = None
    is_verdict_pending: bool = False
    view: View = WHOLE
    checksum: int = 0
    is_painting: bool | None = None

    @property
    def is_not_painting(self) -> bool:
        """Whether its labels are withheld: it does not look like a painting, and shows none of the collection."""
        return self.is_painting is False and (self.verdict is None or self.verdict.artwork_id is None)

    @property
    def labels(self) -> dict[str, list[tuple[str, float]]]:
        """Its predictions; none where they are withheld."""
        return {} if self.is_not_painting else self.predictions


def encoded_picture(look: "Look", labels: Mapping[str, list[str]]) -> EncodedPicture:
    """What was seen in a photograph, with its most probable labels."""
    best, is_painting = best_labels(look.predictions, 0, labels), looks_like_painting(look.predictions, 0)
    return EncodedPicture(look.vector, best, view=look.view, is_painting=is_painting)


def token_of(picture: EncodedPicture, model_id: str, labels: Mapping[str, list[str]]) -> str:
    """The token of a picture: about 1.4 characters for each number of its vector."""
    vector = np.round(picture.vector / np.abs(picture.vector).max() * 127).astype(np.int8)
    predictions = bytearray()
    for task in _places(labels):
        named = [(labels[task].index(label), share) for label, share in picture.predictions.get(task, [])]
        pairs = [(number, share) for number, share in named if number < _NO_LABEL][:LABELS_PER_TASK]
        for number, probability in pairs:
            predictions += bytes([number, round(probability * 255)])
        predictions += bytes([_NO_LABEL, 0]) * (LABELS_PER_TASK - len(pairs))
    fields = _Fields(
        _model_mark(model_id),
        vector.tobytes(),
        bytes(predictions),
        view=_packed(picture),
        is_painting=picture.is_painting,
    )
    return fields.with_verdict(picture.verdict, is_pending=picture.is_verdict_pending).pack()


def read_token(token: str, model_id: str, labels: Mapping[str, list[str]]) -> EncodedPicture:
    """Read what `token_of` wrote.

    Raises:
        UnusableTokenError: it is damaged, or another model made the embedding.
    """
    tasks = _places(labels)
    fields = _unpack(token, len(tasks))
    if fields.model != _model_mark(model_id):
        raise UnusableTokenError(
            "the model has been retrained since this picture was uploaded; upload the picture again."
        )
    vector = np.frombuffer(fields.vector, np.int8).astype(np.float32)
    norm = float(np.linalg.norm(vector))
    try:
        match = fields.match.decode() or None
    except UnicodeDecodeError as error:
        raise UnusableTokenError(_DAMAGED) from error
    if norm == 0:
        raise UnusableTokenError(_DAMAGED)
    predictions: dict[str, list[tuple[str, float]]] = {}
    for number, task in enumerate(tasks):
        packed = fields.predictions[2 * LABELS_PER_TASK * number :][: 2 * LABELS_PER_TASK]
        names = labels.get(task, [])
        pairs = zip(packed[::2], packed[1::2], strict=True)
        if known := [
            (names[label], probability / 255) for label, probability in pairs if label < min(len(names), _NO_LABEL)
        ]:
            predictions[task] = known
    verdict = Verdict(match, fields.certainty / 255) if fields.comparison == _COMPARED else None
    is_pending, (view, checksum) = fields.comparison == _PENDING, _unpacked(fields.view)
    return EncodedPicture(
        vector / np.float32(norm), predictions, verdict, is_pending, view, checksum, fields.is_painting
    )


@dataclass(frozen=True)
class _Fields:
    model: bytes
    vector: bytes
    predictions: bytes
    comparison: int = _NOT_COMPARED
    match: bytes = b""
    certainty: int = 0
    view: bytes = b""
    is_painting: bool | None = None

    def with_verdict(self, verdict: Verdict | None, *, is_pending: bool = False) -> "_Fields":
        comparison = _PENDING if is_pending else _NOT_COMPARED if verdict is None else _COMPARED
        match = (verdict.artwork_id or "").encode()[:_MAX_MATCH_BYTES] if verdict else b""
        # Rounded down, so that a token never claims more than was measured.
        certainty = int(verdict.certainty * 255) if verdict else 0
        return replace(self, comparison=comparison, match=match, certainty=certainty)

    def pack(self) -> str:
        header = _HEADER.pack(
            _FORMAT if self.view else _FORMAT_WITHOUT_VIEW,
            self.model,
            len(self.vector),
            self.comparison + _PAINTING[self.is_painting],
            len(self.match),
        )
        body = header + self.vector + self.predictions + self.match + bytes([self.certainty]) + self.view
        return base64.urlsafe_b64encode(body + struct.pack("<I", zlib.crc32(body))).rstrip(b"=").decode()


def _places(labels: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The tasks that a token has a place for: those of the model, and all of the Web Gallery of Art for any of them."""
    return WGA_TASKS.names if set(labels) <= set(WGA_TASKS) else tuple(labels)


def _unpack(token: str, tasks: int) -> _Fields:
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, (checksum,) = data[:-4], struct.unpack("<I", data[-4:])
        version, model, vector_length, state, match_length = _HEADER.unpack(body[: _HEADER.size])
    except (binascii.Error, ValueError, struct.error) as error:
        raise UnusableTokenError(_DAMAGED) from error
    predictions_at = _HEADER.size + vector_length
    match_at = predictions_at + tasks * LABELS_PER_TASK * 2
    view_at = match_at + match_length + 1
    length_of_view = {_FORMAT: _VIEW.size, _FORMAT_WITHOUT_VIEW: 0}.get(version)
    if zlib.crc32(body) != checksum or length_of_view is None or len(body) != view_at + length_of_view:
        raise UnusableTokenError(_DAMAGED)
    vector, predictions = body[_HEADER.size : predictions_at], body[predictions_at:match_at]
    match, certainty = body[match_at : view_at - 1], body[view_at - 1]
    is_painting = next((value for value, bits in _PAINTING.items() if bits == state & ~3), None)
    return _Fields(model, vector, predictions, state & 3, match, certainty, body[view_at:], is_painting)


def _packed(picture: EncodedPicture) -> bytes:
    view = picture.view
    corners = np.clip(np.rint(view.corners * _TEN_THOUSANDTHS), -(2**15), 2**15 - 1).astype(int)
    return _VIEW.pack(view.is_mirrored, *corners.reshape(-1).tolist(), picture.checksum)


def _unpacked(packed: bytes) -> tuple[View, int]:
    if not packed:
        return WHOLE, 0
    is_mirrored, *numbers, checksum = _VIEW.unpack(packed)
    corners = np.array(numbers, np.float32).reshape(4, 2) / np.float32(_TEN_THOUSANDTHS)
    return View(corners.astype(np.float32), bool(is_mirrored)), checksum


def _model_mark(model_id: str) -> bytes:
    return model_id.encode()[:8].ljust(8, b"\0")

"""Simulated photographs of a picture, as with a visitor's phone, to measure recognition.

Each kind is one distortion, `everything` several at once. The same seed gives the same photograph.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.float32]
CROP_SHARE = 0.3
"""The share of a painting's area that a `detail` shows."""


def rephotograph(picture: "Image", kind: str, seed: int) -> "Image":
    """Simulate a photograph of a picture.

    Args:
        picture: the original.
        kind: one of `KINDS`.
        seed: of everything random.

    Raises:
        ValueError: there is no such kind.
    """
    from PIL import Image

    if kind not in KINDS:
        raise ValueError(f"there is no distortion {kind!r}; choose one of: {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    pixels: Pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / np.float32(255)
    for step in KINDS[kind]:
        pixels = np.clip(step(pixels, rng), 0, 1, dtype=np.float32)
    return Image.fromarray(np.rint(pixels * 255).astype(np.uint8))


def _perspective(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A perspective view and a small rotation, in front of a wall."""
    import cv2

    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    moved = corners + rng.uniform(-0.12, 0.12, (4, 2)) * (width, height)
    angle = np.deg2rad(rng.uniform(-10, 10))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (moved - moved.mean(0)) @ turn.T
    moved -= moved.min(0)
    margin = 0.05 * max(width, height)
    size = np.ceil(moved.max(0) + 2 * margin).astype(int)
    matrix = cv2.getPerspectiveTransform(corners, (moved + margin).astype(np.float32))
    wall = _wall(rng)
    seen = cv2.warpPerspective(
        pixels,
        matrix,
        (int(size[0]), int(size[1])),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=wall,
    )
    return np.asarray(seen, dtype=np.float32)


def _detail(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A crop of `CROP_SHARE` of the area, enlarged to the area of the whole."""
    import cv2

    height, width = pixels.shape[:2]
    shape = rng.uniform(0.85, 1.18)
    part_width = min(1.0, np.sqrt(CROP_SHARE) * shape)
    part_height = min(1.0, CROP_SHARE / part_width)
    left = int(rng.uniform(0, 1 - part_width) * width)
    top = int(rng.uniform(0, 1 - part_height) * height)
    part = pixels[top : top + max(8, round(part_height * height)), left : left + max(8, round(part_width * width))]
    scale = np.sqrt(height * width / (part.shape[0] * part.shape[1]))
    size = (max(8, round(part.shape[1] * scale)), max(8, round(part.shape[0] * scale)))
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _colour_cast(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Another white balance, exposure and contrast."""
    gain = rng.uniform(0.7, 1.25, 3).astype(np.float32)
    return (pixels ** np.float32(rng.uniform(0.7, 1.4))) * gain + np.float32(rng.uniform(-0.05, 0.05))


def _glare(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """One to three reflections on the varnish, saturated in the middle."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.zeros((height, width), dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        across, along = rng.uniform(0.06, 0.22, 2) * min(height, width)
        at_x, at_y = rng.uniform(0.1, 0.9, 2) * (width, height)
        light += 1.4 * np.exp(-(((x - at_x) / along) ** 2) - ((y - at_y) / across) ** 2)
    light = np.minimum(light, 1)[..., None]
    return pixels * (1 - light) + light


def _frame(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A moulded frame and a piece of wall around it."""
    height, width = pixels.shape[:2]
    thick = int(rng.uniform(0.08, 0.16) * min(height, width))
    gold = np.array(rng.uniform([0.4, 0.28, 0.08], [0.75, 0.6, 0.3]), dtype=np.float32)
    wall = int(rng.uniform(0.04, 0.15) * min(height, width))
    out = np.empty((height + 2 * (thick + wall), width + 2 * (thick + wall), 3), dtype=np.float32)
    out[:] = _wall(rng)
    for depth in range(thick):
        shade = np.float32(0.6 + 0.4 * np.sin(6.3 * depth / thick) ** 2 + rng.uniform(-0.05, 0.05))
        edge = wall + depth
        out[edge : out.shape[0] - edge, edge : out.shape[1] - edge] = gold * shade
    inside = wall + thick
    out[inside : inside + height, inside : inside + width] = pixels
    return out


def _blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian blur, as out of focus."""
    import cv2

    spread = float(rng.uniform(0.004, 0.009) * min(pixels.shape[:2]))
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(spread, 0.5)), dtype=np.float32)


def _jpeg_30(pixels: Pixels, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - all steps take the same arguments
    """JPEG compression of quality 30, as by a messenger."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(packed, "JPEG", quality=30)
    return np.asarray(Image.open(packed), dtype=np.float32) / np.float32(255)


def _wall(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(0.35, 0.9) * rng.uniform(0.85, 1.0, 3)
    return float(red), float(green), float(blue)


Step = Callable[[Pixels, np.random.Generator], Pixels]
KINDS: dict[str, tuple[Step, ...]] = {
    "perspective": (_perspective,),
    "detail": (_detail,),
    "colour cast": (_colour_cast,),
    "glare": (_glare,),
    "frame": (_frame,),
    "blur": (_blur,),
    "jpeg 30": (_jpeg_30,),
    "everything": (_frame, _glare, _perspective, _colour_cast, _blur, _jpeg_30),
}
"""The distortions, each a sequence of steps."""

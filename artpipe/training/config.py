"""What a training run is told; light to import, so that settings and assets can name it without loading torch."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

IMAGENET = "imagenet"
NO_WEIGHTS = "none"

# Settings of the machine and not of the model: the same model may be trained with other values of these. Which model
# a warm start takes is told elsewhere.
_UNTOLD_FIELDS = frozenset({"device", "loader_workers", "keep_checkpoint", "warm_start", "started_from"})


@dataclass(frozen=True)
class Recipe:
    """What suits a kind of start: from scratch, or from weights that already see."""

    epochs: int
    learning_rate: float
    backbone_rate_share: float
    """The backbone's learning rate as a share of the heads'; below 1 where it starts from trained weights."""
    patience: int
    """Epochs without a better validation score after which training ends."""
    batch_size: int
    crop_area_from: float
    """The smallest share of the picture that a random crop keeps."""


# Batches of 32: at 224 px a CPU steps through them 1.4 times as fast, image for image, as through batches of 64.
FROM_SCRATCH = Recipe(
    epochs=20, learning_rate=3e-3, backbone_rate_share=1.0, patience=8, batch_size=32, crop_area_from=0.6
)
FROM_WEIGHTS = Recipe(
    epochs=10, learning_rate=1e-3, backbone_rate_share=0.4, patience=4, batch_size=32, crop_area_from=0.4
)


def recipe(weights: str) -> Recipe:
    """The defaults for `imagenet`, `none` or a weights file."""
    return FROM_SCRATCH if weights == NO_WEIGHTS else FROM_WEIGHTS


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. A field left at None takes its value from `recipe(weights)`.

    Raises:
        ValueError: a value is out of range.
    """

    backbone: str = "mobilenet_v3_small"
    weights: str = IMAGENET
    """`imagenet`, `none`, or the path of a `.pth` or `.safetensors` file."""
    image_px: int = 224
    """Side of the square that the network sees."""
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    """Peak rate of the heads; the backbone's is a share of it where it starts from trained weights."""
    weight_decay: float = 0.05
    dropout: float = 0.2
    label_smoothing: float = 0.05
    class_balance: float = 0.5
    """Loss weight of a class = its frequency to the power of minus this: 0 favours accuracy, 1 macro-F1."""
    gradient_clip: float = 5.0
    warmup_share: float = 0.1
    patience: int | None = None
    seed: int = 0
    warm_start: bool = False
    """Whether to start from the served model where that one has the same backbone and sees pictures in the same way."""
    started_from: str | None = None
    """The model that a warm start has taken the first weights from; set by the training run."""
    device: str = "auto"
    loader_workers: int | None = None
    keep_checkpoint: bool = False
    """Keep the last checkpoint after the run is done."""

    def __post_init__(self) -> None:
        for name in ("image_px", "epochs", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, and must be above 0")
        for name in ("dropout", "label_smoothing", "warmup_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and must be at least 0 and below 1")

    @property
    def recipe(self) -> Recipe:
        """The recipe with this config's own choices put in."""
        base = FROM_WEIGHTS if self.started_from else recipe(self.weights)
        return Recipe(
            epochs=self.epochs or base.epochs,
            learning_rate=self.learning_rate or base.learning_rate,
            backbone_rate_share=base.backbone_rate_share,
            patience=self.patience or base.patience,
            batch_size=self.batch_size or base.batch_size,
            crop_area_from=base.crop_area_from,
        )

    def story(self) -> dict[str, Any]:
        """Everything that decides what the trained weights are, with the recipe filled in and no path of this machine.

        A weights file is told by its hash elsewhere, so only its kind stands here.
        """
        known = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _UNTOLD_FIELDS}
        if self.warm_start:
            known["warm_start"] = True
        known["weights"] = self.weights if self.weights in (IMAGENET, NO_WEIGHTS) else "file"
        return known | asdict(self.recipe)


def fingerprint(*parts: Any) -> str:
    """16 hex characters of a hash over JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

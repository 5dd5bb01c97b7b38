"""What a training run is told; light to import, so that settings and assets can name it without loading torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from artpipe.settings import Settings


IMAGENET = "imagenet"
NO_WEIGHTS = "none"

DIMENSIONS = 256
"""Usual length of a vector."""

# Settings of the machine and not of the model: the same model may be trained with other values of these. Which model
# a warm start takes is told elsewhere.
_UNTOLD_FIELDS = frozenset(
    {"device", "loader_workers", "keep_checkpoint", "warm_start", "started_from", "recipe_changes"}
)


RecipeName = Literal["probe", "finetune", "best"]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: first its head upon a backbone that is left as it is, then both together."""

    head_epochs: int
    """Passes over the backbone's cached features that the head learns from alone; 0 where the backbone knows nothing
    yet."""
    epochs: int
    """Passes over the pictures that the whole network learns from; 0 leaves the backbone as it is."""
    learning_rate: float
    backbone_rate_share: float
    """The backbone's learning rate as a share of the head's."""
    frozen_levels: int
    """Lowest levels of the backbone that stay as they are: edges and colours need no second lesson, and cost most."""
    patience: int
    """Epochs without a better validation score after which training ends."""
    batch_size: int
    crop_area_from: float
    """The smallest share of the picture that a random crop keeps."""
    average_decay: float
    """Decay of the moving average of the weights that is kept; 0 keeps the weights of the epoch itself."""
    views: int = 1
    """2 also looks at each picture's mirror image outside training, and takes the mean."""
    keeps_start: bool = False
    """Whether the backbone as it was, with its head, judges beside what it became: half of the vector is of each."""


# Batches of 32: at 224 px a CPU steps through them 1.4 times as fast, image for image, as through batches of 64.
FROM_SCRATCH = Recipe(
    head_epochs=0,
    epochs=20,
    learning_rate=3e-3,
    backbone_rate_share=1.0,
    frozen_levels=0,
    patience=8,
    batch_size=32,
    crop_area_from=0.6,
    average_decay=0.0,
)
FINETUNE = Recipe(
    head_epochs=20,
    epochs=8,
    learning_rate=1e-3,
    backbone_rate_share=1.0,
    frozen_levels=3,
    patience=4,
    batch_size=32,
    crop_area_from=0.4,
    average_decay=0.99,
    keeps_start=True,
)
PROBE = replace(FINETUNE, epochs=0, views=2, keeps_start=False)
BEST = replace(FINETUNE, epochs=12, patience=12, views=2)
_RECIPES: Mapping[RecipeName, Recipe] = {"probe": PROBE, "finetune": FINETUNE, "best": BEST}


def recipe(name: RecipeName, weights: str) -> Recipe:
    """The recipe of this name for `imagenet`, `none` or a weights file.

    Raises:
        ValueError: it needs trained weights to begin with, and there are none.
    """
    if weights != NO_WEIGHTS:
        return _RECIPES[name]
    if name == "probe":
        raise ValueError(
            "the recipe `probe` leaves the backbone as it is, and with ARTPIPE_BACKBONE_WEIGHTS=none it knows nothing; "
            "set ARTPIPE_RECIPE=finetune to train it, or ARTPIPE_BACKBONE_WEIGHTS to `imagenet` or a file"
        )
    return FROM_SCRATCH if name == "finetune" else replace(FROM_SCRATCH, epochs=40, patience=16, views=2)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. A field left at None takes its value from its recipe.

    Raises:
        ValueError: a value is out of range.
    """

    backbone: str = "mobilenet_v3_small"
    weights: str = IMAGENET
    """`imagenet`, `none`, or the path of a `.pth` or `.safetensors` file."""
    recipe_name: RecipeName = "finetune"
    image_px: int = 224
    """Side of the square that the network sees."""
    dimensions: int = DIMENSIONS
    """Length of a vector."""
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    """Peak rate of the heads; the backbone's is a share of it where it starts from trained weights."""
    weight_decay: float = 0.05
    dropout: float = 0.3
    label_smoothing: float = 0.1
    period_years: float = 30.0
    """How far apart periods may be and still count as nearly right, in years: a neighbour's share of the target falls
    by a factor of e with each; 0 smooths periods as it does the other labels."""
    class_balance: float = 0.0
    """Loss weight of a class = its frequency to the power of minus this: 0 favours accuracy, 1 macro-F1."""
    gradient_clip: float = 5.0
    warmup_share: float = 0.1
    patience: int | None = None
    recipe_changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further values of the recipe that are set otherwise, for ablations."""
    seed: int = 0
    warm_start: bool = False
    """Whether to start from the served model where that one has the same backbone and sees pictures in the same way."""
    started_from: str | None = None
    """The model that a warm start has taken the first weights from; set by the training run."""
    device: str = "auto"
    loader_workers: int | None = None
    keep_checkpoint: bool = False
    """Keep the last checkpoint after the run is done."""

    @classmethod
    def from_settings(cls, settings: "Settings") -> "TrainingConfig":
        """What the settings ask to train."""
        return cls(
            backbone=settings.backbone,
            weights=settings.resolved_backbone_weights,
            recipe_name=settings.recipe,
            dimensions=settings.embedding_dimensions,
            image_px=settings.resolved_train_image_px,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            loader_workers=settings.loader_workers,
            seed=settings.seed,
            warm_start=settings.warm_start and settings.recipe != "probe",  # whose backbone is not trained
            device=settings.device,
        )

    def __post_init__(self) -> None:
        for name in ("image_px", "dimensions", "epochs", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, and must be above 0")
        for name in ("dropout", "label_smoothing", "warmup_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and must be at least 0 and below 1")
        if self.dimensions % 2 and self.weights != NO_WEIGHTS and self.is_twofold:
            raise ValueError(
                f"dimensions is {self.dimensions}, and must be even: half of a vector is of the backbone as it was, "
                "half of what it became; set ARTPIPE_EMBEDDING_DIMENSIONS to an even number, or ARTPIPE_RECIPE=probe"
            )

    @property
    def is_twofold(self) -> bool:
        """Whether the trained model is two networks side by side; see `side_by_side.py`."""
        return self.recipe.keeps_start

    @property
    def recipe(self) -> Recipe:
        """The recipe with this config's own choices put in."""
        base = recipe(self.recipe_name, IMAGENET if self.started_from else self.weights)
        chosen = {
            name: value
            for name in ("epochs", "learning_rate", "patience", "batch_size")
            if (value := getattr(self, name)) is not None and (name != "epochs" or base.epochs)
        }
        if self.started_from and (self.weights == NO_WEIGHTS or not base.keeps_start):
            chosen["head_epochs"] = 0  # its head has learned already
        told = replace(base, **{**chosen, **self.recipe_changes})
        return told if told.epochs and told.head_epochs else replace(told, keeps_start=False)

    def story(self) -> dict[str, Any]:
        """Everything that decides what the trained weights are, with the recipe filled in and no path of this machine.

        A weights file is told by its hash elsewhere, so only its kind stands here.
        """
        known = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _UNTOLD_FIELDS}
        if self.warm_start:
            known["warm_start"] = True
        known["weights"] = self.weights if self.weights in (IMAGENET, NO_WEIGHTS) else "file"
        return known | asdict(self.recipe)


def fingerprint(*parts: Any) -> str:
    """16 hex characters of a hash over JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

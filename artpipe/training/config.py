"""The configuration of a training run; light to import, so that settings and assets can name it without torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from artpipe.models.card import EMBEDDING_DIM, IMAGENET, NO_WEIGHTS
from artpipe.settings import FROZEN_RECIPES

if TYPE_CHECKING:
    from artpipe.settings import Settings

# Not part of a model's identity: settings of the machine; `recipe_changes`, which the recipe's own fields show; the
# start of a warm start, which is the model's `WeightsSource`; and one process in place of several.
_NOT_IDENTITY = frozenset({
    "device", "keep_checkpoint", "loader_workers", "ray_address", "ray_task_cpus", "ray_task_gpus", "recipe_changes",
    "started_from", "train_workers", "warm_start",
})  # fmt: skip
# What saved cards call a field; a rename in the file would change every `model_id`.
_NAMES_IN_FILE = {"embedding_dim": "dimensions", "ema_decay": "average_decay", "is_ensemble": "keeps_start"}

RecipeName = Literal["probe", "foundation", "finetune", "best"]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: first its head on the frozen backbone (linear probing), then both (fine-tuning)."""

    head_epochs: int
    """Epochs of the head alone, on the cached features of the frozen backbone; 0 for a backbone without weights."""
    epochs: int
    """Epochs of the whole network, on the pictures; 0 leaves the backbone frozen."""
    learning_rate: float
    backbone_rate_share: float
    """The backbone's learning rate as a share of the head's."""
    frozen_levels: int
    """Lowest levels of the backbone that stay frozen: edges and colours transfer, and training them costs most."""
    patience: int
    """Early stopping: epochs without a better validation score after which training ends."""
    batch_size: int
    crop_area_from: float
    """The smallest share of the picture that a random crop keeps."""
    ema_decay: float
    """Decay of the exponential moving average (EMA) of the weights that is evaluated and saved; 0 for no average."""
    views: int = 1
    """Test-time augmentation: 2 averages the logits of each picture and of its mirror image."""
    is_ensemble: bool = False
    """Whether the model is the ensemble of the pretrained network with its head and of the fine-tuned one; each gives
    half of the embedding."""


# Batches of 32: at 224 px a CPU trains on 1.4 times as many images a second as with batches of 64.
FROM_SCRATCH = Recipe(
    head_epochs=0,
    epochs=20,
    learning_rate=3e-3,
    backbone_rate_share=1.0,
    frozen_levels=0,
    patience=8,
    batch_size=32,
    crop_area_from=0.6,
    ema_decay=0.0,
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
    ema_decay=0.99,
    is_ensemble=True,
)
PROBE = replace(FINETUNE, epochs=0, views=2, is_ensemble=False)
BEST = replace(FINETUNE, epochs=12, patience=12, views=2)
FOUNDATION = PROBE
"""The same head on the features of a stronger backbone, read at several depths: see `Settings`."""
_RECIPES: Mapping[RecipeName, Recipe] = {
    "probe": PROBE,
    "foundation": FOUNDATION,
    "finetune": FINETUNE,
    "best": BEST,
}


def recipe(name: RecipeName, weights: str) -> Recipe:
    """The recipe of this name for `imagenet`, `none` or a weights file.

    Raises:
        ValueError: it needs trained weights to start from, and there are none.
    """
    if weights != NO_WEIGHTS:
        return _RECIPES[name]
    if name in FROZEN_RECIPES:
        raise ValueError(
            f"the recipe `{name}` trains a head on the frozen backbone, and ARTPIPE_BACKBONE_WEIGHTS=none leaves that "
            "random; set ARTPIPE_RECIPE=finetune to train it, or ARTPIPE_BACKBONE_WEIGHTS to `imagenet` or a file"
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
    depths: int = 0
    """How many blocks of a transformer are read beside its own output."""
    image_px: int = 224
    """Side of the network's square input."""
    embedding_dim: int = EMBEDDING_DIM
    """Length of an embedding."""
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    """Peak rate of the heads; the backbone's is a share of it where it starts from trained weights."""
    weight_decay: float = 0.05
    dropout: float = 0.3
    label_smoothing: float = 0.1
    period_years: float = 30.0
    """Scale of the soft targets of periods, and of other labels made from years, in years: another class's share of the
    target falls by a factor of e over this distance; 0 smooths them like the other labels."""
    class_balance: float = 0.0
    """Loss weight of a class = its frequency to the power of minus this: 0 favours accuracy, 1 macro-F1."""
    gradient_clip: float = 5.0
    warmup_share: float = 0.1
    patience: int | None = None
    recipe_changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Other fields of the recipe to override, for ablations."""
    seed: int = 0
    warm_start: bool = False
    """Whether to start from the served model where it has the same backbone and input transform."""
    started_from: str | None = None
    """The model that a warm start took the initial weights from; set by the training run."""
    train_workers: int = 1
    """Processes that share each batch when the whole network is trained."""
    ray_address: str | None = None
    """The Ray cluster on which these processes run, where there are several; None for this machine."""
    ray_task_cpus: float = 1.0
    """Processors of each of them there."""
    ray_task_gpus: float = 0.0
    """GPUs of each of them there."""
    device: str = "auto"
    loader_workers: int | None = None
    keep_checkpoint: bool = False
    """Whether the last checkpoint stays after the run is done."""

    @classmethod
    def from_settings(cls, settings: "Settings") -> "TrainingConfig":
        """The configuration that the settings give."""
        return cls(
            backbone=settings.backbone,
            weights=settings.resolved_backbone_weights,
            recipe_name=settings.recipe,
            depths=settings.backbone_depths,
            embedding_dim=settings.embedding_dimensions,
            image_px=network_image_px(settings),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            loader_workers=settings.loader_workers,
            train_workers=settings.train_workers,
            ray_address=settings.ray_address,
            ray_task_cpus=settings.ray_task_cpus,
            ray_task_gpus=settings.ray_task_gpus,
            seed=settings.seed,
            warm_start=settings.warm_start and settings.recipe not in FROZEN_RECIPES,  # whose backbone is not trained
            device=settings.device,
        )

    def __post_init__(self) -> None:
        for name in ("image_px", "embedding_dim", "epochs", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}, and must be above 0")
        for name in ("dropout", "label_smoothing", "warmup_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and must be at least 0 and below 1")
        if self.train_workers > 1 and self.recipe.batch_size < 2 * self.train_workers:
            raise ValueError(
                f"batch_size is {self.recipe.batch_size}, and must be at least {2 * self.train_workers}: each of "
                f"{self.train_workers} processes takes its share of a batch, and a batch norm needs 2 images; raise "
                "ARTPIPE_BATCH_SIZE or lower ARTPIPE_TRAIN_WORKERS"
            )
        if self.embedding_dim % 2 and self.weights != NO_WEIGHTS and self.is_ensemble:
            raise ValueError(
                f"embedding_dim is {self.embedding_dim}, and must be even: each network of the ensemble gives half of "
                "the embedding; set ARTPIPE_EMBEDDING_DIMENSIONS to an even number, or ARTPIPE_RECIPE=probe"
            )

    @property
    def is_ensemble(self) -> bool:
        """Whether the trained model is an ensemble; see `artpipe.models.ensemble`."""
        return self.recipe.is_ensemble

    @property
    def recipe(self) -> Recipe:
        """The recipe with this config's own values in place of the defaults."""
        base = recipe(self.recipe_name, IMAGENET if self.started_from else self.weights)
        chosen = {
            name: value
            for name in ("epochs", "learning_rate", "patience", "batch_size")
            if (value := getattr(self, name)) is not None and (name != "epochs" or base.epochs)
        }
        if self.started_from and (self.weights == NO_WEIGHTS or not base.is_ensemble):
            chosen["head_epochs"] = 0  # its head is trained already
        merged = replace(base, **{**chosen, **self.recipe_changes})
        return merged if merged.epochs and merged.head_epochs else replace(merged, is_ensemble=False)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the trained weights, with the recipe's values and no path of this machine.

        A weights file appears as `file` alone: its content is hashed in the model's `WeightsSource`.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_IDENTITY}
        if self.warm_start:
            values["warm_start"] = True
        if self.train_workers > 1 and self.recipe.epochs:  # one process trains a head alone
            values["train_workers"] = self.train_workers
        if not self.depths:  # cards of older code do not have it
            del values["depths"]
        values["weights"] = self.weights if self.weights in (IMAGENET, NO_WEIGHTS) else "file"
        values |= asdict(self.recipe)
        return {_NAMES_IN_FILE.get(name, name): value for name, value in values.items()}


def network_image_px(settings: "Settings") -> int:
    """Side of the network's input: as it was set, else the only one that the backbone takes, else the recipe's."""
    from artpipe.models.backbones import own_image_px

    own = None if settings.has_train_image_px else own_image_px(settings.backbone)
    return own or settings.resolved_train_image_px


def fingerprint(*parts: Any) -> str:
    """16 hex characters of a hash over JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

"""Model cards: what is known of a saved model without its weights. Light to import: nothing here loads torch.

A card is the `model.json` in a model's folder. The part of it that decides predictions is the model's identity,
which is hashed with the weights into the `model_id`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError
from artpipe.models.rights import TrainingRights

if TYPE_CHECKING:
    from upath import UPath

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
LEARNED_FILE = "learned.parquet"

IMAGENET = "imagenet"
NO_WEIGHTS = "none"

EMBEDDING_DIM = 256
"""Default length of an embedding."""

# What saved cards call a field; a rename in the file would change every `model_id`.
_NAMES_IN_FILE = {"embedding_dim": "features"}
_IDENTITY = (
    "classes",
    "transform",
    "backbone",
    "embedding_dim",
    "weights_source",
    "training_set_version",
    "seed",
    "config",
)


class CorruptModelError(ArtpipeError):
    """A model's files are missing, damaged, or do not belong to its card."""


@dataclass(frozen=True)
class TransformSpec:
    """How a square of bytes becomes the network's input."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class WeightsSource:
    """Where the initial weights came from: `imagenet`, `none`, `model` or a file's name, and what exactly that was."""

    name: str
    sha256: str | None
    """A hash of ImageNet weights or of a file's content."""
    model_id: str | None = None
    """The saved model of a warm start, where `name` is `model`."""

    @property
    def description(self) -> str:
        """For people: the name, or `model` and its id."""
        return f"model {self.model_id}" if self.model_id else self.name

    def identity(self) -> dict[str, str | None]:
        """The part of a model's identity that this is; a `model_id` that does not apply is left out."""
        identity = {"name": self.name, "sha256": self.sha256}
        return identity if self.model_id is None else identity | {"model_id": self.model_id}


@dataclass(frozen=True)
class ModelCard:
    """What a model is, and how its training went."""

    classes: Mapping[str, tuple[str, ...]]
    """The class names of each task, in the order of its head's outputs."""
    transform: TransformSpec
    backbone: str
    embedding_dim: int
    weights_source: WeightsSource
    training_set_version: str
    seed: int
    config: Mapping[str, Any]
    """`TrainingConfig.identity()` of the run."""
    temperatures: Mapping[str, float] = field(default_factory=dict[str, float])
    """What each task's logits are divided by before the softmax; 1 for a task that is not named."""
    history: Sequence[Mapping[str, Any]] = ()
    """One entry an epoch."""
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Validation metrics of the best epoch."""
    best_epoch: int | None = None
    ended: str = ""
    """Why training ended."""
    library_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many pictures of each split there were: it was fitted on those of `train`. Cards of older code lack those
    that neither trained nor validated it."""
    refit_of: str | None = None
    """The measured model whose recipe was fitted again, on every work; None for one that was fitted on `train`."""
    trained_at: str = ""
    """When training ended, ISO 8601 in UTC; empty in cards of older code."""
    model_id: str = ""
    middle_years: Mapping[str, tuple[float, ...]] | None = None
    """The year in the middle of each class, of the tasks whose labels are made from years; None in older cards."""
    rights: tuple[TrainingRights, ...] = ()
    """The rights of its training pictures when it was trained; empty where no source tells them."""

    @property
    def views(self) -> int:
        """Views of a picture whose logits are averaged in inference: 2 where the mirror image is one."""
        return int(self.config.get("views", 1))

    @property
    def train_workers(self) -> int:
        """How many processes trained it together."""
        return int(self.config.get("train_workers", 1))

    @property
    def depths(self) -> int:
        """How many blocks of a transformer are read beside its own output."""
        return int(self.config.get("depths", 0))

    @property
    def is_trained(self) -> bool:
        """Whether there was anything to learn; see `artpipe.training.untrained`."""
        return bool(self.classes)

    @property
    def is_head_only(self) -> bool:
        """Whether the backbone kept its initial weights, so that cached backbone features serve this model too."""
        return bool(self.config.get("head_epochs")) and self.best_epoch == 1 and not self.config.get("warm_start")

    @property
    def is_ensemble(self) -> bool:
        """Whether it is an ensemble of the pretrained and the fine-tuned network."""
        return bool(self.config.get("keeps_start")) and self.is_trained

    @property
    def keeps_pretrained(self) -> bool:
        """Whether the features of its backbone's own output are those of the weights that it started from."""
        return self.is_head_only or self.is_ensemble

    @property
    def measured_id(self) -> str:
        """The model that its figures are of: itself, or the one that it is the refit of."""
        return self.refit_of or self.model_id

    def identity(self) -> dict[str, Any]:
        """What `model_id` is hashed from, as named in the file: nothing of speed, dates or library versions."""
        card = asdict(self) | {"weights_source": self.weights_source.identity()}
        # Models saved before there were temperatures and refits have none in their hash.
        names = (*_IDENTITY, *(name for name in ("temperatures", "refit_of") if card[name]))
        return {_NAMES_IN_FILE.get(name, name): card[name] for name in names}

    def to_json(self) -> str:
        """The card as indented JSON."""
        card = {_NAMES_IN_FILE.get(name, name): value for name, value in asdict(self).items()}
        if self.refit_of is None:  # earlier releases read all other cards
            del card["refit_of"]
        return json.dumps(card, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read a card.

        Raises:
            ValueError, KeyError, TypeError: it is not one.
        """
        card: dict[str, Any] = json.loads(text)
        for name, name_in_file in _NAMES_IN_FILE.items():
            card[name] = card.pop(name_in_file)
        transform = card["transform"]
        card["transform"] = TransformSpec(transform["size"], tuple(transform["mean"]), tuple(transform["std"]))
        card["weights_source"] = WeightsSource(**card["weights_source"])
        card["history"] = tuple(card["history"])
        card["classes"] = {task: tuple(names) for task, names in card["classes"].items()}
        if years := card.get("middle_years"):
            card["middle_years"] = {task: tuple(middles) for task, middles in years.items()}
        card["rights"] = tuple(TrainingRights(**one) for one in card.get("rights", ()))
        return cls(**card)


def load_card(folder: "UPath | Path") -> ModelCard:
    """The card of a saved model, without its weights.

    Raises:
        CorruptModelError: there is none, or it cannot be read.
    """
    try:
        return ModelCard.from_json((folder / CARD_FILE).read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptModelError(
            f'the model card in {folder} is missing or damaged ({error}); materialize "classifier" to train it again.'
        ) from error

"""The network: a backbone, a projection from its features to the embedding, and a linear head for each task."""

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from artpipe.errors import BadSettingError
from artpipe.models.backbones import BackboneInputError, MultiLevelBackbone, find_levels, named_body, takes_px
from artpipe.models.card import EMBEDDING_DIM, TransformSpec

HEAD_STD = 0.01
"""Standard deviation of a head's initial weights: small, so that every class starts as likely as any other."""


class MultiTaskClassifier(nn.Module):
    """A backbone, a projection to the embedding that search compares, and one linear head for each task upon it.

    Args:
        backbone: maps (N, 3, S, S) to (N, pooled).
        pooled: how many features the backbone gives.
        classes: how many classes each task has.
        embedding_dim: length of an embedding.
        dropout: share of the features and of the embedding that is dropped in training.
    """

    def __init__(
        self, backbone: nn.Module, pooled: int, classes: Mapping[str, int], embedding_dim: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.embedding_dim = embedding_dim
        # Levels differ a hundredfold in scale; without the norm the largest would drown the others.
        self.norm = nn.BatchNorm1d(pooled, affine=False)
        self.projection = nn.Linear(pooled, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        self.tasks = tuple(classes)
        # A list and not a ModuleDict, which cannot hold a name that modules have already, such as `type`.
        self.heads = nn.ModuleList(nn.Linear(embedding_dim, count) for count in classes.values())
        for head in self.heads:
            nn.init.normal_(head.get_parameter("weight"), std=HEAD_STD)
            nn.init.zeros_(head.get_parameter("bias"))

    def forward(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Embeddings (N, embedding_dim), not normalised, and logits (N, classes) by task.

        Args:
            pixels: (N, 3, S, S), as made by `Normalise`.
        """
        return self.forward_head(self.backbone(pixels))

    def forward_head(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What `forward` gives, from the backbone's features (N, pooled), which may come from a cache."""
        # The heads take the embedding after the GELU, the one that search compares: its neighbours share more labels
        # than those before the GELU.
        embeddings = functional.gelu(self.projection(self.dropout(self.norm(features))))
        head_input: Tensor = self.dropout(embeddings)
        return embeddings, {task: head(head_input) for task, head in zip(self.tasks, self.heads, strict=True)}

    def without_backbone(self) -> "MultiTaskClassifier":
        """A copy that has `forward_head` alone."""
        backbone, self.backbone = self.backbone, nn.Identity()
        try:
            return copy.deepcopy(self)
        finally:
            self.backbone = backbone

    @property
    def multi_level_backbone(self) -> MultiLevelBackbone:
        """The backbone of a network that `build_model` made."""
        return cast("MultiLevelBackbone", self.backbone)

    @property
    def class_counts(self) -> dict[str, int]:
        """How many classes each task has."""
        return {task: len(head.get_parameter("bias")) for task, head in zip(self.tasks, self.heads, strict=True)}

    @property
    def head_layers(self) -> nn.ModuleList:
        """Everything above the backbone that has weights to learn: the projection and the heads."""
        return nn.ModuleList([self.projection, *self.heads])


def build_model(
    backbone: str,
    classes: Mapping[str, int],
    image_px: int,
    embedding_dim: int = EMBEDDING_DIM,
    dropout: float = 0.0,
    depths: int = 0,
) -> tuple[MultiTaskClassifier, TransformSpec]:
    """A classifier with random weights, and how its input is made.

    Args:
        backbone: its name in torchvision or timm.
        classes: how many classes each task has.
        image_px: side of the network's square input.
        embedding_dim: length of an embedding.
        dropout: as for `MultiTaskClassifier`.
        depths: how many blocks of a transformer are read beside its own output.

    Raises:
        UnknownBackboneError: no such model; the message suggests close names.
        BackboneInputError: the model takes no pictures of `image_px`.
    """
    body, transform = build_backbone(backbone, image_px, depths)
    return MultiTaskClassifier(body, pooled_features(body, image_px), classes, embedding_dim, dropout), transform


def build_backbone(name: str, image_px: int, depths: int = 0) -> tuple[MultiLevelBackbone, TransformSpec]:
    """A backbone with random weights, in evaluation mode, and how its input is made. Raises as `build_model` does."""
    try:
        body, mean, std = named_body(name, image_px)
        levels = find_levels(body, image_px, depths)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise BackboneInputError(
            f"the backbone {name!r} does not take pictures of {image_px} x {image_px} px ({error}); "
            f"unset ARTPIPE_TRAIN_IMAGE_PX, or set it to {takes_px(name, image_px)}."
        ) from error
    return MultiLevelBackbone(body, levels).eval(), TransformSpec(image_px, mean, std)


def pooled_features(backbone: nn.Module, image_px: int) -> int:
    """How many features a backbone gives."""
    with torch.inference_mode():
        return int(backbone(torch.zeros(1, 3, image_px, image_px)).shape[-1])


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, then Apple's GPU, then the CPU.

    Raises:
        BadSettingError: PyTorch does not see the device here.
    """
    if device != "auto":
        is_here = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}.get(device, lambda: True)
        if not is_here():
            raise BadSettingError(f"ARTPIPE_DEVICE={device}: PyTorch sees no such device here; set it to `auto`.")
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

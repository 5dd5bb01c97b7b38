"""The ensemble: a pretrained network and its fine-tuned copy, averaged in output space and saved as one model.

Fine-tuning on a few thousand paintings loses part of what was learned from millions of other pictures, and the two
networks err on different pictures. At 224 px the mean of their logits was right more often than either on validation
works, and as often as the better one on test works; at 96 px, where the pretrained network is weak, less often.

The ensemble is a `MultiTaskClassifier` like any other: its embedding is the concatenation of both embeddings, and its
heads give the mean of both networks' logits. Here it is built, joined from its members, and split again.

Sources: Wortsman et al., Robust fine-tuning of zero-shot models (arXiv:2109.01903), ensembles in output space; Zhang et
al., Side-tuning (arXiv:1912.13503).
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from artpipe.models.backbones import MultiLevelBackbone
from artpipe.models.card import TransformSpec
from artpipe.models.network import MultiTaskClassifier, build_backbone, pooled_features


class EnsembleBackbone(nn.Module):
    """The pretrained and the fine-tuned backbone; their features are concatenated.

    Args:
        pretrained: maps (N, 3, S, S) to (N, pooled).
        finetuned: the same architecture.
    """

    def __init__(self, pretrained: nn.Module, finetuned: nn.Module) -> None:
        super().__init__()
        # What saved weights call them; a rename would change every model's id.
        self.before, self.after = pretrained, finetuned

    @property
    def pretrained(self) -> nn.Module:
        """The backbone with its initial weights."""
        return self.before

    @property
    def finetuned(self) -> nn.Module:
        """The backbone that was fine-tuned."""
        return self.after

    def forward(self, pixels: Tensor) -> Tensor:
        """The features of both, (N, 2 * pooled), the pretrained backbone's first."""
        return torch.cat([self.pretrained(pixels), self.finetuned(pixels)], dim=1)


def own_features(backbone: nn.Module, image_px: int) -> int:
    """How many features a backbone's last pooled output has: the first of its features, before those of its levels.

    Of an ensemble it is the pretrained backbone's output, which no training on paintings has changed.
    """
    single = backbone.pretrained if isinstance(backbone, EnsembleBackbone) else backbone
    return pooled_features(single.body if isinstance(single, MultiLevelBackbone) else single, image_px)


def build_ensemble(
    backbone: str, classes: Mapping[str, int], image_px: int, embedding_dim: int, depths: int = 0
) -> tuple[MultiTaskClassifier, TransformSpec]:
    """An ensemble with random weights, to load a saved one into; takes and raises what `build_model` does."""
    body, transform = build_backbone(backbone, image_px, depths)
    both = EnsembleBackbone(body, copy.deepcopy(body))
    return MultiTaskClassifier(both, 2 * pooled_features(body, image_px), classes, embedding_dim), transform


def join_members(pretrained: MultiTaskClassifier, finetuned: MultiTaskClassifier) -> MultiTaskClassifier:
    """Join two networks of one architecture and the same tasks; their backbones are shared, not copied.

    The concatenated embedding takes block-diagonal projections, and the mean of the logits takes half of each head.
    """
    members = (pretrained, finetuned)
    backbone = EnsembleBackbone(pretrained.backbone, finetuned.backbone)
    pooled, embedding_dim = 2 * pretrained.projection.in_features, 2 * pretrained.embedding_dim
    joint = MultiTaskClassifier(backbone, pooled, pretrained.class_counts, embedding_dim)
    joint.to(finetuned.projection.weight.device)
    with torch.no_grad():
        for name in ("running_mean", "running_var"):
            joint.norm.get_buffer(name).copy_(torch.cat([each.norm.get_buffer(name) for each in members]))
        joint.projection.weight.copy_(torch.block_diag(*(each.projection.weight for each in members)))
        joint.projection.bias.copy_(torch.cat([each.projection.bias for each in members]))
        for head, one, other in zip(joint.heads, pretrained.heads, finetuned.heads, strict=True):
            weights = (one.get_parameter("weight"), other.get_parameter("weight"))
            head.get_parameter("weight").copy_(torch.cat(weights, dim=1) / 2)
            head.get_parameter("bias").copy_((one.get_parameter("bias") + other.get_parameter("bias")) / 2)
    return joint.eval()


def finetuned_member(model: MultiTaskClassifier) -> MultiTaskClassifier:
    """The fine-tuned network of an ensemble; any other model as it is.

    The biases of its heads are the ensemble's: each member's own are not saved.
    """
    if not isinstance(model.backbone, EnsembleBackbone):
        return model
    pooled, embedding_dim = model.projection.in_features // 2, model.embedding_dim // 2
    member = MultiTaskClassifier(model.backbone.finetuned, pooled, model.class_counts, embedding_dim, model.dropout.p)
    with torch.no_grad():
        for name in ("running_mean", "running_var"):
            member.norm.get_buffer(name).copy_(model.norm.get_buffer(name)[pooled:])
        member.projection.weight.copy_(model.projection.weight[embedding_dim:, pooled:])
        member.projection.bias.copy_(model.projection.bias[embedding_dim:])
        for head, joint in zip(member.heads, model.heads, strict=True):
            head.get_parameter("weight").copy_(2 * joint.get_parameter("weight")[:, embedding_dim:])
            head.get_parameter("bias").copy_(joint.get_parameter("bias"))
    return member

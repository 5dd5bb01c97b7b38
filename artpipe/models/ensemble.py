"""Two networks as one: a backbone as it was, with its head, beside what both became when they learned together.

What millions of other pictures taught is partly forgotten while a few thousand paintings are learned, and the two err
in different places. At 224 px their mean was right more often than either on validation works, and as often as the
better one on test works; at 96 px, where the network as it was sees little, it was right less often. They are kept as
one model, whose vector holds the vectors of both and whose heads give the mean of their logits.

Sources: Wortsman et al., Robust fine-tuning of zero-shot models (arXiv:2109.01903), ensembles in output space; Zhang et
al., Side-tuning (arXiv:1912.13503).
"""

import torch

from artpipe.models.backbones import MultiLevelBackbone, TwoBackbones
from artpipe.models.network import MultiTaskClassifier


def side_by_side(before: MultiTaskClassifier, after: MultiTaskClassifier) -> MultiTaskClassifier:
    """One model of two: its vectors are theirs, one after the other, and its logits the mean of theirs.

    Args:
        before: as it was; it is not changed, but shared.
        after: what it became, with the same tasks and the same length of a vector.

    Returns:
        A model as `build_model(..., is_twofold=True)` makes it.
    """
    pooled = before.projection.in_features
    backbone = TwoBackbones(before.backbone, after.backbone)
    both = MultiTaskClassifier(backbone, 2 * pooled, before.class_counts, before.features + after.features)
    both.to(after.projection.weight.device)
    with torch.no_grad():
        for name in ("running_mean", "running_var"):
            both.norm.get_buffer(name).copy_(torch.cat([one.norm.get_buffer(name) for one in (before, after)]))
        both.projection.weight.copy_(torch.block_diag(before.projection.weight, after.projection.weight))
        both.projection.bias.copy_(torch.cat([before.projection.bias, after.projection.bias]))
        for head, one, other in zip(both.heads, before.heads, after.heads, strict=True):
            weights = (one.get_parameter("weight"), other.get_parameter("weight"))
            head.get_parameter("weight").copy_(torch.cat(weights, dim=1) / 2)
            head.get_parameter("bias").copy_((one.get_parameter("bias") + other.get_parameter("bias")) / 2)
    return both.eval()


def later_one(model: MultiTaskClassifier) -> MultiTaskClassifier:
    """The network that learned, of a model that `side_by_side` made; any other model as it is.

    Its heads' biases are the joint ones: what each network gave to them is not kept.
    """
    if not isinstance(model.backbone, TwoBackbones):
        return model
    looking, pooled, features = model.backbone.after, model.projection.in_features // 2, model.features // 2
    one = MultiTaskClassifier(looking, pooled, model.class_counts, features, model.dropout.p)
    with torch.no_grad():
        for name in ("running_mean", "running_var"):
            one.norm.get_buffer(name).copy_(model.norm.get_buffer(name)[pooled:])
        one.projection.weight.copy_(model.projection.weight[features:, pooled:])
        one.projection.bias.copy_(model.projection.bias[features:])
        for head, joint in zip(one.heads, model.heads, strict=True):
            head.get_parameter("weight").copy_(2 * joint.get_parameter("weight")[:, features:])
            head.get_parameter("bias").copy_(joint.get_parameter("bias"))
    return one


def head_upon(looking: MultiLevelBackbone, model: MultiTaskClassifier) -> MultiTaskClassifier:
    """A fresh head, as large as a model's, upon another backbone."""
    pooled = model.projection.in_features
    return MultiTaskClassifier(looking, pooled, model.class_counts, model.features, model.dropout.p)

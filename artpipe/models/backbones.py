"""Backbones by name, from torchvision or timm, and their features: those of every level, not of the last alone.

An object classifier needs only the last level. What distinguishes a Baroque picture from a Rococo one is as much in
palette, brushwork and texture, which the lower levels hold and the upper ones discard. The levels of a convolutional
network are where its feature map changes size; those of a vision transformer are some of its blocks, if asked for.
"""

import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]

from artpipe.errors import ArtpipeError, did_you_mean

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Colour = tuple[float, float, float]

# Where torchvision's families keep the ImageNet classifier that our heads replace; timm's names are among them.
CLASSIFIER_NAMES = ("classifier", "fc", "heads", "head")
# These return several outputs in training or pool inside their classifier; timm has its own version of most.
_UNSUITABLE = ("inception", "googlenet", "squeezenet")
# torchvision's models that take pictures of one size; timm's say so themselves.
_OF_ONE_SIZE = ("vit_", "maxvit")


class UnknownBackboneError(ArtpipeError):
    """Neither torchvision nor timm has a model of this name."""


class BackboneInputError(ArtpipeError):
    """The backbone does not take pictures of this size."""


def is_torchvision(name: str) -> bool:
    """Whether torchvision's model of this name is used, and not timm's."""
    from torchvision import models

    return name in models.list_models(module=models) and not name.startswith(_UNSUITABLE)


def own_image_px(name: str) -> int | None:
    """The only size of pictures that a backbone takes, as most vision transformers do; None where it takes others."""
    if is_torchvision(name):
        return 224 if name.startswith(_OF_ONE_SIZE) else None
    import timm

    if name.partition(".")[0] not in timm.list_models():
        return None
    found = timm.get_pretrained_cfg(name)
    return int(found.input_size[-1]) if found is not None and found.fixed_input_size else None


def takes_px(name: str, image_px: int) -> str:
    """The sizes near this one that a backbone may take, for an error message."""
    import timm

    own = own_image_px(name)
    patch = 0
    if own is not None and not is_torchvision(name):
        with torch.device("meta"):
            patch = patch_px(timm.create_model(name, pretrained=False, num_classes=0)) or 0
    near = [] if not patch else [patch * max(image_px // patch, 1), patch * (image_px // patch + 1)]
    return " or ".join(str(px) for px in sorted({*near, own or 224}))


def patch_px(body: nn.Module) -> int | None:
    """The side of the patches that a vision transformer cuts pictures into; None of another network."""
    patch = getattr(getattr(body, "patch_embed", None), "patch_size", None)
    return None if patch is None else int(patch[0] if isinstance(patch, tuple) else patch)


def named_body(name: str, image_px: int | None = None) -> tuple[nn.Module, Colour, Colour]:
    """The network of this name without its classifier and with random weights; its input's mean and deviation.

    Args:
        name: in torchvision or timm.
        image_px: side of its input, for networks that are built for one size; their own by default.

    Raises:
        UnknownBackboneError: no such model; the message suggests close names.
    """
    if is_torchvision(name):
        from torchvision import models

        body: nn.Module = models.get_model(name, weights=None)
        classifier = next(each for each in CLASSIFIER_NAMES if hasattr(body, each))
        setattr(body, classifier, nn.Flatten(1))
        return body, IMAGENET_MEAN, IMAGENET_STD
    import timm

    if name.partition(".")[0] not in timm.list_models():
        raise UnknownBackboneError(
            f"there is no backbone {name!r} in torchvision or timm; {_suggestions(name)}set ARTPIPE_BACKBONE to a name "
            "that `timm.list_models()` or `torchvision.models.list_models()` lists."
        )
    own = own_image_px(name)
    other_px = image_px if own not in (None, image_px) else None
    options: dict[str, Any] = {} if other_px is None else {"img_size": other_px}
    body = timm.create_model(name, pretrained=False, num_classes=0, **options)
    if other_px and other_px % (patch_px(body) or 1):
        raise ValueError(f"it cuts pictures into patches of {patch_px(body)} px")
    defaults = cast("dict[str, Any]", getattr(body, "default_cfg", None) or {})
    mean, std = defaults.get("mean", IMAGENET_MEAN), defaults.get("std", IMAGENET_STD)
    return body, _colour(mean), _colour(std)


def _colour(values: Any) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _suggestions(name: str) -> str:
    import timm
    from torchvision import models

    known = {*models.list_models(module=models), *timm.list_models()}
    question = did_you_mean(name, sorted(known), most=3)
    return f"{question} Otherwise " if question else ""


class _ForwardPass(threading.local):
    """The level outputs that this thread's forward pass has collected so far."""

    def __init__(self) -> None:
        self.levels: list[Tensor] | None = None

    def __reduce__(self) -> tuple[type["_ForwardPass"], tuple[()]]:
        return _ForwardPass, ()  # a copied or pickled backbone starts with a pass of its own


class MultiLevelBackbone(nn.Module):
    """A network whose features are its own pooled output and every level's output, pooled.

    Feature maps are pooled by their spatial mean, the tokens of a transformer by attention.

    Args:
        body: maps (N, 3, S, S) to (N, features).
        levels: names of the modules whose outputs are pooled too, as given by `find_levels`.
    """

    def __init__(self, body: nn.Module, levels: Sequence[str]) -> None:
        super().__init__()
        self.body = body
        self.levels = tuple(levels)
        self._pass = _ForwardPass()
        # Kept, for with a handle another process learns which numbers of hooks are taken; it would replace these.
        self._handles = [body.get_submodule(name).register_forward_hook(self._collect) for name in levels]

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features, (N, features), the body's own first, then the levels from the lowest up."""
        levels: list[Tensor] = []
        self._pass.levels = levels
        try:
            own: Tensor = self.body(pixels)
            return torch.cat([own, *levels], dim=1)
        finally:
            self._pass.levels = None

    def _collect(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        if self._pass.levels is not None:
            pooled = _pooled(output) if output.ndim == 4 else _attended(output, _prefix_tokens(self.body))
            self._pass.levels.append(pooled.to(output.dtype))

    def lowest_levels(self, count: int) -> list[nn.Module]:
        """The modules with weights or statistics of the first `count` levels, in the order of the network."""
        if not self.levels or count == 0:
            return []
        highest = self.body.get_submodule(self.levels[min(count, len(self.levels)) - 1])
        last = {id(module) for module in highest.modules()}
        order = [module for module in self.body.modules() if _holds_weights(module)]
        end = max((number for number, module in enumerate(order) if id(module) in last), default=-1)
        return order[: end + 1]


def _holds_weights(module: nn.Module) -> bool:
    """Whether it has weights or statistics of its own, and not only of its parts."""
    return any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def find_levels(body: nn.Module, image_px: int, depths: int = 0) -> tuple[str, ...]:
    """The modules of a network after which its feature map changes size or number of channels.

    One forward pass finds them. A map that the network pools itself is not among them. The blocks of a transformer all
    give the same shape: `depths` of them are taken, spread evenly up to the last.
    """
    blocks = [name for name, _ in body.named_modules() if name.startswith("blocks.") and name.count(".") == 1]
    is_transformer = hasattr(body, "num_prefix_tokens") and bool(blocks)
    outputs: list[tuple[str, Tensor]] = []
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: outputs.append((name, output)))
        for name, module in body.named_modules()
        if name and name.count(".") <= 1 and list(module.children()) and not isinstance(module, _NormBase)
    ]
    was_training = body.training
    try:
        with torch.inference_mode():
            own: Tensor = body.eval()(torch.linspace(-1, 1, 3 * image_px**2).view(1, 3, image_px, image_px))
    finally:
        body.train(was_training)
        for handle in handles:
            handle.remove()
    if is_transformer:
        taken = sorted({max(len(blocks) * (number + 1) // depths, 1) - 1 for number in range(depths)})
        return tuple(blocks[each] for each in taken)
    maps = [(name, output) for name, output in outputs if isinstance(output, Tensor) and output.ndim == 4]  # pyright: ignore[reportUnnecessaryIsInstance]
    maps = [(name, output) for name, output in maps if not any(other.startswith(f"{name}.") for other, _ in maps)]
    levels = [
        (name, output)
        for (name, output), (_, after) in pairwise([*maps, ("", own)])
        if output.shape != after.shape and min(output.shape[2:]) > 1
    ]
    if levels and (pooled := _pooled(levels[-1][1])).shape == own.shape and torch.allclose(pooled, own, atol=1e-4):
        levels = levels[:-1]
    return tuple(name for name, _ in levels)


def _pooled(output: Tensor) -> Tensor:
    """The mean over height and width, (N, channels), of a feature map with its channels second or, as Swin's, last."""
    has_channels_last = output.shape[1] == output.shape[2] != output.shape[3]
    return output.float().mean((1, 2) if has_channels_last else (2, 3))


def _prefix_tokens(body: nn.Module) -> int:
    """How many tokens, such as the class token and registers, stand before those of the patches."""
    return int(getattr(body, "num_prefix_tokens", 0))


def _attended(tokens: Tensor, prefix: int) -> Tensor:
    """The patches of a transformer's block, pooled by attention without weights of its own, (N, channels).

    The class token asks, or the mean patch where there is none, and the patches most similar to it count most.

    Args:
        tokens: (N, tokens, channels).
        prefix: how many tokens before the patches; the class token is the first of them.
    """
    tokens = tokens.float()
    patches = tokens[:, prefix:]
    query = tokens[:, :1] if prefix else patches.mean(1, keepdim=True)
    channels = tokens.shape[2]
    keys = functional.layer_norm(patches, (channels,))
    return functional.scaled_dot_product_attention(functional.layer_norm(query, (channels,)), keys, patches).squeeze(1)

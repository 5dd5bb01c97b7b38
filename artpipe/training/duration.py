"""How long a training run takes on this machine, and which recipe suits it; said before training starts.

Measured on two cores without a GPU, on the recorded gallery: see docs/benchmarks/accuracy.md. On a GPU nothing was
measured yet.
"""

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.models.card import NO_WEIGHTS
from artpipe.settings import FOUNDATION_BACKBONE

if TYPE_CHECKING:
    from artpipe.settings import Settings
    from artpipe.training.config import RecipeName

CORE_SECONDS_A_WORK: "dict[RecipeName, float]" = {"probe": 0.07, "foundation": 0.07, "finetune": 0.43, "best": 0.8}
"""Features and training of `tf_efficientnet_lite0`: 2.5 minutes on two cores, 27 and 54 on one, for 4,444 works."""
RELATIVE_COST = {"tf_efficientnet_lite0": 1.0, "mobilenet_v3_small": 0.2, FOUNDATION_BACKBONE: 5.0}
"""Processor time of a forward pass, in that of `tf_efficientnet_lite0`."""
LONGEST_SUGGESTED_MINUTES = 60.0
"""The costliest recipe that takes no longer is suggested."""


def expected_minutes(
    recipe: "RecipeName", backbone: str, works: int, cores: int, *, is_refitted: bool = True
) -> float | None:
    """How long the features, the training and the refit take; None of a backbone that was not measured."""
    cost = RELATIVE_COST.get(backbone)
    if cost is None:
        return None
    features = CORE_SECONDS_A_WORK["probe"]
    trained = CORE_SECONDS_A_WORK[recipe] - features
    return works * cost * (features + trained * (2 if is_refitted else 1)) / max(cores, 1) / 60


def suited_recipe(backbone: str, works: int, cores: int, *, has_gpu: bool, is_refitted: bool = True) -> "RecipeName":
    """`best` with a GPU, else the costliest recipe that takes at most `LONGEST_SUGGESTED_MINUTES`, else `probe`."""
    if has_gpu:
        return "best"
    order: tuple[RecipeName, ...] = ("best", "finetune")
    for name in order:
        minutes = expected_minutes(name, backbone, works, cores, is_refitted=is_refitted)
        if minutes is not None and minutes <= LONGEST_SUGGESTED_MINUTES:
            return name
    return "probe"


def training_line(
    settings: "Settings", works: int, cores: int | None = None, *, gpu: bool | None = None, is_refitted: bool = False
) -> str:
    """What a training run of these settings takes, and what suits the machine, in one line.

    Args:
        settings: which recipe and backbone.
        works: pictures that it is trained on.
        cores: those of this machine by default.
        gpu: whether there is one; looked for by default.
        is_refitted: whether the time of the refit counts too.
    """
    cores = cores or available_cores()
    has_gpu = may_have_gpu(settings.device) if gpu is None else gpu
    where = "a GPU" if has_gpu else f"{cores} core{'' if cores == 1 else 's'}"
    begun = f"`{settings.recipe}` with {settings.backbone} on {works:,} pictures and {where}"
    if settings.resolved_backbone_weights == NO_WEIGHTS:
        return f"{begun}: from random weights, a time that was not measured."
    minutes = expected_minutes(settings.recipe, settings.backbone, works, cores, is_refitted=is_refitted)
    taken = "a time that was not measured" if minutes is None or has_gpu else _in_words(minutes)
    suited = suited_recipe(settings.backbone, works, cores, has_gpu=has_gpu, is_refitted=is_refitted)
    is_known = has_gpu or minutes is not None
    if not is_known or suited == settings.recipe or settings.recipe == "foundation":
        return f"{begun}: {taken}."
    other = expected_minutes(suited, settings.backbone, works, cores, is_refitted=is_refitted)
    its_time = "" if has_gpu or other is None else f", {_in_words(other)}"
    return f"{begun}: {taken}. ARTPIPE_RECIPE={suited} suits this machine{its_time}."


def _in_words(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.0f} hours"


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def may_have_gpu(device: str) -> bool:
    """Whether training would run on a GPU, as far as can be told without loading PyTorch."""
    if device != "auto":
        return device != "cpu"
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return is_apple or Path("/dev/nvidia0").exists()

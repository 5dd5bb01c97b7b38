import subprocess
import sys

import pytest

from artpipe.models.network import build_backbone
from artpipe.settings import Settings
from artpipe.training.config import FINETUNE, FROM_SCRATCH, TrainingConfig, recipe


def test_training_from_scratch_takes_longer_than_from_weights():
    assert recipe("finetune", "none") is FROM_SCRATCH
    assert recipe("finetune", "imagenet") is recipe("finetune", "some/file.pth") is FINETUNE
    assert FROM_SCRATCH.epochs > FINETUNE.epochs


def test_only_a_pretrained_backbone_gets_its_head_trained_first():
    assert recipe("finetune", "none").head_epochs == recipe("best", "none").head_epochs == 0
    assert recipe("probe", "imagenet").head_epochs > 0
    assert recipe("probe", "imagenet").epochs == 0


def test_a_probe_of_a_random_backbone_is_refused():
    with pytest.raises(ValueError, match="ARTPIPE_RECIPE=finetune"):
        recipe("probe", "none")


def test_a_probe_has_no_epochs_to_set():
    assert TrainingConfig(weights="imagenet", recipe_name="probe", epochs=4).recipe.epochs == 0


def test_a_field_of_the_recipe_can_be_overridden():
    config = TrainingConfig(weights="imagenet", recipe_changes={"ema_decay": 0.0})
    assert config.recipe.ema_decay == 0.0
    assert config.identity() != TrainingConfig(weights="imagenet").identity()


def test_settings_override_the_recipe():
    chosen = TrainingConfig(weights="none", epochs=3, learning_rate=0.5).recipe
    assert (chosen.epochs, chosen.learning_rate) == (3, 0.5)
    assert chosen.patience == FROM_SCRATCH.patience


@pytest.mark.parametrize(
    ("backbone", "px"), [("test_vit", 160), ("vit_b_32", 224), ("vit_small_patch16_384", 384), ("resnet18", 288)]
)
def test_a_backbone_of_one_size_gets_pictures_of_that_size_unless_another_is_set(backbone: str, px: int):
    found = Settings(gallery="https://www.wga.hu", recipe="best", backbone=backbone)
    assert TrainingConfig.from_settings(found).image_px == px
    assert TrainingConfig.from_settings(found.model_copy(update={"train_image_px": 96})).image_px == 96


def test_a_backbone_takes_pictures_of_its_own_size():
    for backbone in ("test_vit", "vit_b_32"):
        px = TrainingConfig.from_settings(Settings(backbone=backbone)).image_px
        assert build_backbone(backbone, px)[1].size == px


def test_paths_and_devices_are_not_part_of_the_identity():
    one = TrainingConfig(weights="/home/ada/weights.pth", device="cpu", loader_workers=3)
    other = TrainingConfig(weights="/srv/weights.pth", device="cuda")
    assert one.identity() == other.identity()
    assert one.identity() != TrainingConfig(weights="/srv/weights.pth", seed=1).identity()


def test_the_names_of_the_identity_are_those_of_saved_cards():
    """A renamed field keeps its name in the file; otherwise every model would be trained again."""
    assert set(TrainingConfig(warm_start=True).identity()) == {
        "average_decay", "backbone", "backbone_rate_share", "batch_size", "class_balance", "crop_area_from",
        "dimensions", "dropout", "epochs", "frozen_levels", "gradient_clip", "head_epochs", "image_px", "keeps_start",
        "label_smoothing", "learning_rate", "patience", "period_years", "recipe_name", "seed", "views",
        "warm_start", "warmup_share", "weight_decay", "weights",
    }  # fmt: skip
    assert "warm_start" not in TrainingConfig().identity(), "cards of older code have none"
    assert TrainingConfig(embedding_dim=64).identity()["dimensions"] == 64


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"dropout": 1.0}, {"image_px": -1}, {"label_smoothing": -0.1}])
def test_a_value_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_how_many_processes_train_is_part_of_the_identity_where_they_share_steps():
    assert TrainingConfig(train_workers=2).identity() == TrainingConfig().identity() | {"train_workers": 2}
    assert (
        TrainingConfig(train_workers=2, recipe_name="probe").identity()
        == TrainingConfig(recipe_name="probe").identity()
    )


def test_each_of_several_processes_needs_two_pictures_of_a_batch():
    assert TrainingConfig(train_workers=4, batch_size=8).train_workers == 4
    with pytest.raises(ValueError, match=r"at least 8: each of 4 processes .* ARTPIPE_BATCH_SIZE"):
        TrainingConfig(train_workers=4, batch_size=7)


def test_only_fine_tuning_from_a_pretrained_backbone_makes_an_ensemble():
    assert TrainingConfig(weights="imagenet").is_ensemble
    assert not TrainingConfig(weights="imagenet", recipe_name="probe").is_ensemble
    assert not TrainingConfig(weights="none").is_ensemble
    assert not TrainingConfig(weights="none", started_from="a model").is_ensemble
    assert not TrainingConfig(weights="imagenet", recipe_changes={"head_epochs": 0}).is_ensemble


def test_an_ensembles_embedding_has_an_even_length():
    with pytest.raises(ValueError, match="ARTPIPE_EMBEDDING_DIMENSIONS"):
        TrainingConfig(weights="imagenet", embedding_dim=255)
    assert TrainingConfig(weights="imagenet", recipe_name="probe", embedding_dim=255).embedding_dim == 255


def test_the_config_is_light_to_import():
    script = "import artpipe.training.config, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

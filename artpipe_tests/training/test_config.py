import subprocess
import sys

import pytest

from artpipe.training.config import FINETUNE, FROM_SCRATCH, TrainingConfig, recipe


def test_training_from_scratch_takes_longer_than_from_weights():
    assert recipe("finetune", "none") is FROM_SCRATCH
    assert recipe("finetune", "imagenet") is recipe("finetune", "some/file.pth") is FINETUNE
    assert FROM_SCRATCH.epochs > FINETUNE.epochs


def test_only_a_backbone_that_knows_something_gets_its_head_first():
    assert recipe("finetune", "none").head_epochs == recipe("best", "none").head_epochs == 0
    assert recipe("probe", "imagenet").head_epochs > 0
    assert recipe("probe", "imagenet").epochs == 0


def test_a_probe_of_a_backbone_that_knows_nothing_is_refused():
    with pytest.raises(ValueError, match="ARTPIPE_RECIPE=finetune"):
        recipe("probe", "none")


def test_a_probe_has_no_epochs_to_set():
    assert TrainingConfig(weights="imagenet", recipe_name="probe", epochs=4).recipe.epochs == 0


def test_a_part_of_the_recipe_can_be_taken_out():
    config = TrainingConfig(weights="imagenet", recipe_changes={"average_decay": 0.0})
    assert config.recipe.average_decay == 0.0
    assert config.story() != TrainingConfig(weights="imagenet").story()


def test_what_the_user_sets_wins_over_the_recipe():
    chosen = TrainingConfig(weights="none", epochs=3, learning_rate=0.5).recipe
    assert (chosen.epochs, chosen.learning_rate) == (3, 0.5)
    assert chosen.patience == FROM_SCRATCH.patience


def test_the_story_tells_no_path_and_no_device():
    one = TrainingConfig(weights="/home/ada/weights.pth", device="cpu", loader_workers=3)
    other = TrainingConfig(weights="/srv/weights.pth", device="cuda")
    assert one.story() == other.story()
    assert one.story() != TrainingConfig(weights="/srv/weights.pth", seed=1).story()


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"dropout": 1.0}, {"image_px": -1}, {"label_smoothing": -0.1}])
def test_a_value_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_only_what_had_learned_before_is_kept_beside_what_it_becomes():
    assert TrainingConfig(weights="imagenet").is_twofold
    assert not TrainingConfig(weights="imagenet", recipe_name="probe").is_twofold
    assert not TrainingConfig(weights="none").is_twofold
    assert not TrainingConfig(weights="none", started_from="a model").is_twofold
    assert not TrainingConfig(weights="imagenet", recipe_changes={"head_epochs": 0}).is_twofold


def test_a_vector_of_two_networks_has_an_even_length():
    with pytest.raises(ValueError, match="ARTPIPE_EMBEDDING_DIMENSIONS"):
        TrainingConfig(weights="imagenet", dimensions=255)
    assert TrainingConfig(weights="imagenet", recipe_name="probe", dimensions=255).dimensions == 255


def test_the_config_is_light_to_import():
    script = "import artpipe.training.config, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

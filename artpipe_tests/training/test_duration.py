"""What is said of the time that training takes, before it starts."""

import pytest

from artpipe.settings import FOUNDATION_BACKBONE, Settings
from artpipe.training.duration import expected_minutes, may_have_gpu, suited_recipe, training_line

LITE = "tf_efficientnet_lite0"


def test_time_grows_with_the_works_and_falls_with_the_cores():
    one = expected_minutes("probe", LITE, 4444, 2)
    assert one == pytest.approx(2.6, abs=0.2), "as measured"
    assert expected_minutes("probe", LITE, 8888, 4) == pytest.approx(one)
    assert expected_minutes("finetune", LITE, 4444, 1, is_refitted=False) == pytest.approx(32, abs=1)


def test_a_refit_takes_the_training_once_more_and_not_the_features():
    once, twice = (expected_minutes("finetune", LITE, 1000, 1, is_refitted=refit) for refit in (False, True))
    features = expected_minutes("probe", LITE, 1000, 1, is_refitted=True)
    assert twice == pytest.approx(2 * once - features)
    assert features == expected_minutes("probe", LITE, 1000, 1, is_refitted=False)


def test_the_costliest_recipe_that_takes_less_than_an_hour_is_suggested():
    suited = [suited_recipe(LITE, works, 2, has_gpu=False) for works in (2_000, 6_000, 1_000_000)]
    assert suited == ["best", "finetune", "probe"]
    assert suited_recipe(LITE, 1_000_000, 2, has_gpu=True) == "best"


def line(gpu: bool = False, works: int = 4444, **settings: object) -> str:
    found = Settings(**{"gallery": "https://www.wga.hu", "backbone": LITE, **settings})  # pyright: ignore[reportArgumentType]
    return training_line(found, works, 2, gpu=gpu, is_refitted=True)


def test_one_line_says_the_time_and_what_suits_the_machine():
    assert line(recipe="best") == f"`best` with {LITE} on 4,444 pictures and 2 cores: about 57 minutes."
    assert line().endswith("about 29 minutes. ARTPIPE_RECIPE=best suits this machine, about 57 minutes.")
    assert line(works=100_000).endswith("about 11 hours. ARTPIPE_RECIPE=probe suits this machine, about 58 minutes.")
    assert "ARTPIPE_RECIPE=best suits this machine." in line(gpu=True)
    assert line(recipe="foundation", backbone=FOUNDATION_BACKBONE).endswith("about 13 minutes.")


def test_nothing_is_promised_that_was_not_measured():
    assert "not measured" in line(gpu=True)
    assert line(backbone="resnet18").endswith("a time that was not measured.")
    assert line(backbone_weights="none").endswith("a time that was not measured.")


def test_the_device_of_the_settings_decides_where_it_is_named():
    assert may_have_gpu("cuda")
    assert not may_have_gpu("cpu")

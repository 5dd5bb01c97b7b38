"""Settings that shape an asset: read only where declared, and part of its code version."""

import ast
from pathlib import Path

import pytest

import artpipe
from artpipe.definitions import ASSET_MODULES
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.shaping import (
    NOT_SHAPING,
    UndeclaredSettingError,
    code_changes,
    code_version,
    declared_settings,
    same_code,
)
from artpipe.settings import Settings
from artpipe.training.config import TrainingConfig


def test_a_declared_setting_is_read_and_another_one_is_refused_by_name():
    settings = declared_settings(Settings(seed=3), "art_map", ["seed"])
    assert settings.seed == 3
    with pytest.raises(UndeclaredSettingError, match=r"`art_map` reads the setting `epochs`.*`shaped_by`"):
        _ = settings.epochs


def test_a_property_is_refused_where_it_reads_what_is_not_declared():
    settings = Settings(recipe="best", gallery="https://www.wga.hu")
    with pytest.raises(UndeclaredSettingError, match="train_image_px"):
        _ = declared_settings(settings, "classifier", ["recipe"]).resolved_train_image_px
    assert declared_settings(settings, "classifier", ["resolved_train_image_px"]).resolved_train_image_px == 288
    parts = ["train_image_px", "gallery", "recipe"]
    assert declared_settings(settings, "classifier", parts).resolved_train_image_px == 288


def test_what_a_config_object_reads_must_be_declared_too():
    declared = DECLARED["classifier"].shaped_by
    config = TrainingConfig.from_settings(declared_settings(Settings(), "classifier", declared))
    assert config == TrainingConfig.from_settings(Settings())
    for name in declared:
        if name != "resolved_train_image_px":  # what it is made of is refused then, as tested above
            with pytest.raises(UndeclaredSettingError, match=name):
                TrainingConfig.from_settings(declared_settings(Settings(), "x", [n for n in declared if n != name]))


@pytest.mark.parametrize("name", ["model_dump", "model_copy", "__dict__", "model_fields_set"])
def test_all_settings_at_once_are_read_by_nobody(name: str):
    settings = declared_settings(Settings(), "art_map", ["seed"])
    if name == "__dict__":
        assert "epochs" not in vars(settings)
    else:
        with pytest.raises(UndeclaredSettingError, match=name):
            getattr(settings, name)


def test_every_declared_setting_exists_and_is_not_said_to_shape_nothing():
    for declared in DECLARED.values():
        for name in declared.shaped_by:
            assert hasattr(Settings(), name), f"{declared.asset}: {name}"
            assert name not in NOT_SHAPING, f"{declared.asset}: {name}"
    assert all(hasattr(Settings(), name) and reason for name, reason in NOT_SHAPING.items())


def calls_and_names(path: Path) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("module", ASSET_MODULES, ids=lambda module: module.__name__)
def test_no_asset_goes_round_its_declaration(module):
    """Settings reach an asset through its step alone: none is made, and Dagster's own decorators are not used."""
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not {name for name in called if name in ("Settings", "dg.asset", "dg.multi_asset", "dg.ResourceParam")}
    read = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for name in read if name.startswith(("step.settings._", "settings._", "step.context.resources"))}


@pytest.mark.parametrize(
    "room", ["catalog", "crawler", "embedding", "evaluation", "images", "models", "recognition", "serving", "sources",
             "splits", "training", "vectors"]
)  # fmt: skip
def test_no_code_that_assets_call_makes_settings_of_its_own(room: str):
    for path in (Path(artpipe.__file__).parent / room).rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Settings"]
        assert not made, path


@pytest.mark.parametrize(
    ("then", "now", "is_same"),
    [
        ("1", "1", True),
        ("1", "2", False),
        ("1", "1; seed=0", True),
        ("1", "1; seed=1", False),
        ("1; seed=1", "1; seed=1", True),
        ("1; seed=1", "1; seed=0", False),
        ("1; seed=0", "1", False),
        ("1", "1; max_artworks=default; seed=0", True),
        ("1; forms=painting", "1; forms=painting; max_artworks=5", False),
        ("1", "1; resolved_train_image_px=128", False),
    ],
)
def test_a_setting_declared_later_counts_as_its_default_before(then: str, now: str, is_same: bool):
    assert same_code(then, now) is is_same


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (code_version("3", {}), code_version("4", {}), ["code version 3 -> 4"]),
        (
            code_version("1", {"image_short_side_px": 320, "forms": ("painting",)}),
            code_version("1", {"image_short_side_px": 400, "forms": ("painting", "graphics")}),
            ["forms painting -> painting,graphics", "image_short_side_px 320 -> 400"],
        ),
        (code_version("1", {}), code_version("1", {"seed": None}), ["seed unset -> default"]),
        (code_version("1", {"seed": 0}), code_version("1", {"seed": 0}), []),
        ("1; recipe=probe", "1; recipe=best; seed=0", ["recipe probe -> best"]),
    ],
)
def test_a_code_version_is_compared_in_words(before, now, told):
    assert code_changes(before, now) == told

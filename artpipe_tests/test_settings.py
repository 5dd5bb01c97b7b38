"""Settings: what they take, what they refuse, and that the README tells of each."""

from pathlib import Path

import pytest
from dagster._utils.schedules import is_valid_cron_schedule
from pydantic import ValidationError

from artpipe.definitions import SHAPING_SETTINGS, build_definitions
from artpipe.settings import Settings

README = Path(__file__).resolve().parents[1] / "README.md"


def table() -> str:
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = "" if default in (None, "") else f"`{default}`"
        variable = field.validation_alias or f"ARTPIPE_{name.upper()}"
        lines.append(f"| `{variable}` | {shown} | {field.description} |")
    return "\n".join(lines)


def test_the_readme_tells_of_every_setting():
    text = README.read_text(encoding="utf-8")
    assert table() in text, f"README.md's settings table should read:\n{table()}"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_FORMS", "painting, graphics")
    assert Settings().forms == ("painting", "graphics")


def test_each_gallery_has_a_lake_of_its_own():
    assert Settings().lake_root == "data_lake/sample"
    assert Settings(gallery="http://127.0.0.1:8077/").lake_root == "data_lake/127.0.0.1-8077"
    assert Settings(gallery="https://www.wga.hu", lake="s3://bucket/art").lake_root == "s3://bucket/art"


def test_a_gallery_that_is_no_address_is_refused():
    with pytest.raises(ValidationError, match="neither `sample` nor an http"):
        Settings(gallery="www.wga.hu")


@pytest.mark.parametrize("line", ["0 3 * * 1", "*/15 0-6,22 1 jan-mar mon,FRI", "  5 4  * * 7 ", "59 23 31 12 0/2"])
def test_a_cron_line_of_five_fields_is_taken(line: str):
    cron = Settings(rescrape_cron=line).rescrape_cron
    assert is_valid_cron_schedule(cron)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 3 * *", "has 4 fields instead of 5"),
        ("@weekly", "has 1 fields instead of 5"),
        ("60 3 * * 1", "'60' is no minute"),
        ("0 3 0 * 1", "'0' is no day of the month"),
        ("0 3 * * 5-2", "'5-2' is no day of the week"),
        ("*/0 3 * * 1", "'\\*/0' is no minute"),
        ("0 3 * foo 1", "'foo' is no month"),
        ("0 3 * * 1,", "'1,' is no day of the week"),
    ],
)
def test_a_cron_line_that_cannot_be_read_is_refused(line: str, problem: str):
    with pytest.raises(ValidationError, match=problem):
        Settings(rescrape_cron=line)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", ""])
def test_a_time_zone_that_is_none_is_refused(name: str):
    with pytest.raises(ValidationError, match="is no time zone"):
        Settings(timezone=name)


@pytest.mark.parametrize("address", ["hooks.example/secret", "ftp://secret@hooks.example", "https:///secret"])
def test_a_webhook_that_is_no_address_is_refused_without_telling_it(address: str):
    with pytest.raises(ValidationError, match="no http\\(s\\) address") as refused:
        Settings(webhook_url=address)
    assert "secret" not in str(refused.value)


def test_a_webhook_is_kept_secret():
    settings = Settings(webhook_url="https://hooks.example/secret")
    assert "secret" not in f"{settings!r} {settings.model_dump_json()}"
    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value() == "https://hooks.example/secret"


def test_the_sample_gallery_is_trained_from_scratch_and_a_real_one_from_imagenet():
    assert Settings().resolved_backbone_weights == "none"
    assert Settings(gallery="https://www.wga.hu").resolved_backbone_weights == "imagenet"


def test_a_recipe_brings_the_size_of_picture_that_suits_it():
    usual = Settings(gallery="https://www.wga.hu")
    assert usual.resolved_train_image_px < usual.model_copy(update={"recipe": "best"}).resolved_train_image_px
    assert Settings(train_image_px=96, gallery="https://www.wga.hu").resolved_train_image_px == 96


def test_a_probe_of_a_backbone_without_weights_is_refused():
    with pytest.raises(ValidationError, match="ARTPIPE_RECIPE=finetune"):
        Settings(recipe="probe", backbone_weights="none")
    assert Settings(recipe="probe", backbone_weights="imagenet").training_config().recipe.epochs == 0


def test_a_vector_that_cannot_be_halved_is_refused_where_two_networks_share_it():
    with pytest.raises(ValidationError, match="ARTPIPE_EMBEDDING_DIMENSIONS to an even number"):
        Settings(embedding_dimensions=255, backbone_weights="imagenet")
    for unshared in ({"recipe": "probe", "backbone_weights": "imagenet"}, {"backbone_weights": "none"}):
        assert Settings(embedding_dimensions=255, **unshared).embedding_dimensions == 255


def code_versions(**changed: object) -> dict[str, str | None]:
    graph = build_definitions(Settings(**changed)).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ({"image_short_side_px": 256}, {"images"}),
        ({"split_salt": "another"}, {"splits"}),
        ({"backbone": "resnet18"}, {"features", "classifier"}),
        ({"recipe": "best"}, {"classifier"}),
        ({"requests_per_s": 1.0, "concurrency": 1, "lake": "elsewhere"}, set()),
    ],
    ids=["image size", "salt", "backbone", "recipe", "nothing that shapes content"],
)
def test_a_setting_makes_the_asset_it_shapes_stale_and_no_other(changed: dict[str, object], stale: set[str]):
    before, after = code_versions(), code_versions(**changed)
    assert {name for name in before if before[name] != after[name]} == stale


def test_a_weights_file_counts_by_its_content(tmp_path: Path):
    for name in ("a.pth", "moved/a.pth", "other/a.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"other weights" if name.startswith("other") else b"weights")
    held, moved, other = (
        code_versions(backbone_weights=str(tmp_path / name))["classifier"]
        for name in ("a.pth", "moved/a.pth", "other/a.pth")
    )
    assert held == moved != other


def test_what_a_person_corrects_makes_stale_what_it_shapes_and_no_other(tmp_path: Path):
    held = code_versions(lake=str(tmp_path))
    for name, stale in (("labels", {"splits", "suspect_labels"}), ("same_work", {"splits"})):
        before = code_versions(lake=str(tmp_path))
        (tmp_path / "overrides").mkdir(exist_ok=True)
        (tmp_path / "overrides" / f"{name}.csv").write_text("said by a person")
        after = code_versions(lake=str(tmp_path))
        assert {name for name in before if before[name] != after[name]} == stale
    (tmp_path / "moved").mkdir()
    (tmp_path / "overrides" / "labels.csv").rename(tmp_path / "moved" / "labels.csv")
    (tmp_path / "overrides" / "same_work.csv").unlink()
    assert code_versions(lake=str(tmp_path)) == held
    moved = code_versions(lake=str(tmp_path), label_overrides=str(tmp_path / "moved" / "labels.csv"))
    assert "label_overrides_content=labels.csv " in (moved["splits"] or "")


def test_every_shaping_setting_exists():
    for names in SHAPING_SETTINGS.values():
        for name in names:
            assert hasattr(Settings(), name)

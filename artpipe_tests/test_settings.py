"""Settings: what they take, what they refuse, and that the README tells of each."""

from pathlib import Path

import pytest
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


def test_the_sample_gallery_is_trained_from_scratch_and_a_real_one_from_imagenet():
    assert Settings().resolved_backbone_weights == "none"
    assert Settings(gallery="https://www.wga.hu").resolved_backbone_weights == "imagenet"


def code_versions(**changed: object) -> dict[str, str | None]:
    graph = build_definitions(Settings(**changed)).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ({"image_short_side_px": 256}, {"images"}),
        ({"split_salt": "another"}, {"splits"}),
        ({"backbone": "resnet18"}, {"classifier"}),
        ({"requests_per_s": 1.0, "concurrency": 1, "lake": "elsewhere"}, set()),
    ],
    ids=["image size", "salt", "backbone", "nothing that shapes content"],
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


def test_every_shaping_setting_exists():
    for names in SHAPING_SETTINGS.values():
        for name in names:
            assert hasattr(Settings(), name)

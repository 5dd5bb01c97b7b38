"""Settings: what they accept, what they refuse, and that each is described."""

from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from artpipe.definitions import build_definitions
from artpipe.errors import BadSettingError
from artpipe.lake.paths import DataLake
from artpipe.settings import FOUNDATION_BACKBONE, Settings, read_settings
from artpipe.sources.resources import GalleryResource
from artpipe.training.config import TrainingConfig


def test_every_setting_is_described():
    """The settings page of the documentation is made of these descriptions."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_FORMS", "painting, graphics")
    assert Settings().forms == ("painting", "graphics")


def test_each_gallery_has_a_lake_of_its_own():
    assert Settings().lake_root == "data_lake/sample"
    assert Settings(gallery="http://127.0.0.1:8077/").lake_root == "data_lake/127.0.0.1-8077"
    assert Settings(gallery="https://www.wga.hu", lake="s3://bucket/art").lake_root == "s3://bucket/art"
    paths = ("", ":81", "/one", "/one/", "/two/x", "/two-x")
    users = ("anna:secret@", "anna:changed@", "bela@")
    galleries = [*(f"http://a.hu{path}" for path in paths), *(f"http://{user}a.hu" for user in users)]
    lakes = [Settings(gallery=gallery).lake_root for gallery in galleries]
    assert lakes[2] == lakes[3]
    assert lakes[6] == lakes[7], "a password may change"
    assert len(set(lakes)) == len(lakes) - 2
    assert all(Path(lake).parent == Path("data_lake") for lake in lakes)
    assert not any("anna" in lake or "secret" in lake for lake in lakes)


def test_a_lake_named_by_its_host_alone_stays_with_the_gallery_that_has_it():
    one, two, whole = (Settings(gallery=f"http://a.hu{path}").lake_root for path in ("/one", "/two", ""))
    assert len({one, two, whole}) == 3
    old = DataLake(whole)  # made by version 0.1 from one of them
    old.ensure_writable()
    resource = GalleryResource.of(Settings(gallery="http://a.hu/one"))
    assert Settings(gallery="http://a.hu/one").lake_root == whole, "whoever asks first"
    with resource.client(old):
        pass
    found = [Settings(gallery=f"http://a.hu{path}").lake_root for path in ("/one", "/two", "")]
    assert found[:2] == [whole, two]
    assert found[2] not in (one, two, whole)


def test_an_invalid_gallery_address_is_refused():
    with pytest.raises(ValidationError, match="neither `sample` nor an http"):
        Settings(gallery="www.wga.hu")


@pytest.mark.parametrize("mark", ["/", "?", "#"])
def test_a_password_that_would_end_the_login_is_refused_until_it_is_percent_encoded(mark: str):
    with pytest.raises(ValidationError, match="percent-encode the password") as refused:
        Settings(gallery=f"https://anna:pa{mark}ss@a.hu")
    assert "ss@" not in str(refused.value)
    gallery = Settings(gallery=f"https://anna:pa{quote(mark, safe='')}ss@a.hu").gallery
    assert str(gallery) == "https://a.hu"


@pytest.mark.parametrize("lake", ["s3://bucket/anna@a.hu", "lakes/anna@a.hu", "anna@a.hu"])
def test_a_lake_may_have_an_at_sign_in_its_path(lake: str):
    assert Settings(lake=lake).lake == lake


@pytest.mark.parametrize("line", ["0 3 * * 1", "*/15 0-6,22 1 jan-mar mon,FRI", "  5 4  * * 7 ", "59 23 31 12 0/2"])
def test_a_cron_line_of_five_fields_is_what_the_schedule_runs_by(line: str):
    schedules = build_definitions(Settings(rescrape_cron=line)).schedules or ()
    assert [schedule.cron_schedule for schedule in schedules] == [" ".join(line.split())]


@pytest.mark.parametrize("line", ["0 3 * *", "@weekly", "0 0 3 * * 1"])
def test_a_cron_line_without_five_fields_is_refused(line: str):
    with pytest.raises(ValidationError, match="fields instead of 5; write one such as"):
        Settings(rescrape_cron=line)


@pytest.mark.parametrize("line", ["60 3 * * 1", "0 3 0 * 1", "*/0 3 * * 1", "0 3 * foo 1", "0 3 * * 1,"])
def test_a_cron_line_that_dagster_cannot_read_is_refused_by_its_variable(line: str):
    with pytest.raises(BadSettingError, match=r"ARTPIPE_RESCRAPE_CRON=.* write five fields such as"):
        build_definitions(Settings(rescrape_cron=line))


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(name: str):
    with pytest.raises(ValidationError, match="is no time zone"):
        Settings(timezone=name)


@pytest.mark.parametrize("address", ["hooks.example/secret", "ftp://secret@hooks.example", "https:///secret"])
def test_an_invalid_webhook_is_refused_without_printing_it(address: str):
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


def test_the_default_image_size_follows_the_recipe():
    usual = Settings(gallery="https://www.wga.hu")
    assert usual.resolved_train_image_px < usual.model_copy(update={"recipe": "best"}).resolved_train_image_px
    assert Settings(train_image_px=96, gallery="https://www.wga.hu").resolved_train_image_px == 96


def test_a_probe_of_a_backbone_without_weights_is_refused():
    with pytest.raises(ValidationError, match="ARTPIPE_RECIPE=finetune"):
        Settings(recipe="probe", backbone_weights="none")
    assert TrainingConfig.from_settings(Settings(recipe="probe", backbone_weights="imagenet")).recipe.epochs == 0


def test_foundation_features_are_those_of_a_strong_backbone_unless_another_is_set():
    usual = Settings(recipe="foundation")
    assert (usual.backbone, usual.backbone_depths) == (FOUNDATION_BACKBONE, 4)
    assert usual.resolved_backbone_weights == "imagenet", "of the sample gallery too: nothing is learned below the head"
    config = TrainingConfig.from_settings(usual)
    assert (config.image_px, config.depths, config.recipe.epochs, config.is_ensemble) == (256, 4, 0, False)
    own = Settings(recipe="foundation", backbone="vit_small_patch14_dinov2", backbone_depths=2, train_image_px=224)
    assert TrainingConfig.from_settings(own).image_px == 224
    assert (own.backbone, own.backbone_depths) == ("vit_small_patch14_dinov2", 2)
    with pytest.raises(ValidationError, match="`foundation` leaves the backbone frozen"):
        Settings(recipe="foundation", backbone_weights="none")


def test_the_recipe_of_the_environment_brings_its_backbone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_RECIPE", "foundation")
    assert Settings().backbone == FOUNDATION_BACKBONE
    monkeypatch.setenv("ARTPIPE_BACKBONE", "resnet18")
    assert Settings().backbone == "resnet18"


def test_an_odd_embedding_length_is_refused_for_an_ensemble():
    with pytest.raises(ValidationError, match="ARTPIPE_EMBEDDING_DIMENSIONS to an even number"):
        Settings(embedding_dimensions=255, backbone_weights="imagenet")
    for unshared in ({"recipe": "probe", "backbone_weights": "imagenet"}, {"backbone_weights": "none"}):
        assert Settings(embedding_dimensions=255, **unshared).embedding_dimensions == 255


def code_versions(**changed: object) -> dict[str, str | None]:
    graph = build_definitions(Settings(**changed)).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).code_version for key in graph.materializable_asset_keys}


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ({"image_short_side_px": 256}, {"images"}),
        ({"trim_margins": False}, {"images"}),
        ({"split_salt": "another"}, {"splits"}),
        ({"backbone": "resnet18"}, {"backbone_features", "classifier", "refitted_model"}),
        ({"recipe": "best"}, {"classifier", "refitted_model"}),
        ({"refit": False}, {"refitted_model"}),
        (
            {"seed": 1},
            {
                "classifier",
                "served_model",
                "refitted_model",
                "evaluation_report",
                "suspect_labels",
                "search_index",
                "art_map",
            },
        ),
        ({"requests_per_s": 1.0, "concurrency": 1, "lake": "elsewhere"}, set()),
    ],
    ids=["image size", "margins", "salt", "backbone", "recipe", "refit", "seed", "nothing that shapes content"],
)
def test_a_setting_makes_the_asset_it_shapes_stale_and_no_other(changed: dict[str, object], stale: set[str]):
    before, after = code_versions(), code_versions(**changed)
    assert {name for name in before if before[name] != after[name]} == stale


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    unset = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"ARTPIPE_{name.upper()}", "")
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert Settings() == unset
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("ARTPIPE_LAKE=\nARTPIPE_MAX_ARTWORKS=\n", encoding="utf-8")
    assert Settings() == unset


def test_a_tilde_is_the_home_folder_in_every_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "~/dagster")
    settings = Settings(lake="~/art", label_overrides="~/labels.csv", backbone_weights="~/net.pth")
    assert settings.lake_root == str(tmp_path / "art")
    assert settings.label_overrides == str(tmp_path / "labels.csv")
    assert settings.resolved_backbone_weights == str(tmp_path / "net.pth")
    assert settings.dagster_home == str(tmp_path / "dagster")
    lake = DataLake("~/art")
    assert str(lake.root) == str(tmp_path / "art")
    assert lake.lance_uri == str(tmp_path / "art" / "lance")
    assert Settings(lake="s3://bucket/~art").lake_root == "s3://bucket/~art"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("contact", "Müller <m@x.hu>", "cannot be sent in a header"),
        ("contact", "m@x.hu\r\nX: y", "cannot be sent in a header"),
        ("gallery", "http://", "neither `sample` nor an http"),
        ("forms", ",", "name at least one form"),
        ("requests_per_s", "inf", "finite number"),
        ("revalidate_after_days", "nan", "finite number"),
        ("revalidate_after_days", "1000000", "less than or equal to 36500"),
        ("keep_versions_days", "inf", "finite number"),
        ("stale_alert_hours", "1e9", "less than or equal to"),
    ],
)
def test_a_value_that_fails_later_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
):
    monkeypatch.setenv(f"ARTPIPE_{name.upper()}", value)
    with pytest.raises(BadSettingError, match=f"^ARTPIPE_{name.upper()}=.*{message}"):
        read_settings()


def test_forms_are_compared_without_case():
    assert Settings(forms=("Painting", "painting", "Graphics")).forms == ("painting", "graphics")

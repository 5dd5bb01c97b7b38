"""Logins, keys and webhook addresses are in no file of the lake, no record of Dagster and no line of output."""

import os
from pathlib import Path

import pytest
from click.testing import Result

from artpipe.orchestration.instance import artpipe_command, ui_command
from artpipe.settings import read_settings
from artpipe_tests.conftest import FakeWebhook
from artpipe_tests.faults.conftest import Owner
from artpipe_tests.fixtures.loopback_gallery import FakeGallery

PLANTED = {
    "user": "Hildegard",
    "password": "Benedicta1098",
    "webhook": "Volmar1141",
    "key": "AKIARUPERTSBERG",
    "aws": "Jutta1136",
}


def leaks(folder: Path, *results: Result) -> dict[str, list[str]]:
    """Where each planted secret is: files by their contents and their names, and output."""
    texts = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts |= {f"name of {path}": str(path.relative_to(folder)).encode() for path in folder.rglob("*")}
    texts |= {f"output {number}": f"{one.output}{one.stderr}".encode() for number, one in enumerate(results)}
    found = {
        what: [place for place, text in texts.items() if secret.encode() in text] for what, secret in PLANTED.items()
    }
    return {what: places for what, places in found.items() if places}


@pytest.fixture
def careless(owner: Owner, gallery_url: str, fake_webhook: FakeWebhook, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """An owner with a secret in every setting that can hold one."""
    owner.set("gallery", gallery_url.replace("://", f"://{PLANTED['user']}:{PLANTED['password']}@"))
    owner.set("webhook_url", f"{fake_webhook.url}/{PLANTED['webhook']}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", PLANTED["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED["aws"])
    return owner


def test_no_secret_is_printed_or_stored_whatever_becomes_of_a_refresh(
    careless: Owner, gallery: FakeGallery, fake_webhook: FakeWebhook, tmp_path: Path
):
    said = [careless.run("refresh", "--force", "--select", "+splits"), careless.run("status"), careless.run("info")]
    assert said[0].exit_code == 0
    assert "127.0.0.1" in said[2].output
    careless.set("gallery", f"http://{PLANTED['user']}:{PLANTED['password']}@127.0.0.1:9")
    said.append(careless.run("refresh"))
    assert "could not be read" in said[-1].output
    fake_webhook.status = 500
    careless.set("gallery", gallery.url.replace("://", f"://{PLANTED['user']}:{PLANTED['password']}@"))
    said += [careless.run("refresh"), careless.run("status", "--json"), careless.run("info", "--json")]
    assert leaks(tmp_path, *said) == {}


@pytest.mark.usefixtures("careless")
def test_a_lake_and_the_commands_shown_are_named_without_the_login(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ARTPIPE_LAKE")
    settings = read_settings()
    assert settings.lake_root.startswith("data_lake/127.0.0.1-")
    lines = [ui_command(settings), artpipe_command(settings, "serve"), repr(settings), settings.model_dump_json()]
    assert not any(secret in line for secret in PLANTED.values() for line in lines)
    assert 'ARTPIPE_GALLERY="$ARTPIPE_GALLERY"' in lines[1]
    assert os.environ["ARTPIPE_GALLERY"] == settings.gallery.get_secret_value()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lake", "s3://{key}:{aws}@bucket/art"),
        ("label_overrides", "s3://{key}:{aws}@bucket/labels.csv"),
        ("backbone_weights", "https://{user}:{password}@weights.example/a.pt"),
        ("gallery", "ftp://{user}:{password}@gallery.example"),
        ("lake", "s3://{key}:a/{aws}@bucket/art"),
        ("gallery", "{user}:{password}@gallery.example"),
        ("gallery", " ftp://{user}:{password}@gallery.example"),
        ("gallery", "http://{user}:a\N{FULLWIDTH SOLIDUS}{password}@gallery.example"),
        ("gallery", "{user}:a/{password}@gallery.example"),
        *(("gallery", f"https://{{user}}:a{mark}{{password}}@gallery.example") for mark in "/?#"),
        ("webhook_url", "hooks.example/{webhook}"),
    ],
)
def test_a_setting_that_is_refused_is_named_without_its_secret(owner: Owner, tmp_path: Path, name: str, value: str):
    owner.set(name, value.format(**PLANTED))
    refused = owner.run("info")
    assert refused.exit_code == 2
    assert f"ARTPIPE_{name.upper()}" in refused.stderr
    assert leaks(tmp_path, refused) == {}


@pytest.mark.parametrize("mark", ["/", "?", "#", ":", "\N{FULLWIDTH SOLIDUS}"])
def test_the_address_of_a_webserver_that_is_refused_is_not_repeated_with_its_login(
    owner: Owner, tmp_path: Path, mark: str
):
    refused = owner.run("refresh", "--webserver", f"http://{PLANTED['user']}:a{mark}{PLANTED['password']}@[host")
    assert refused.exit_code == 2
    assert "is not the address of a webserver; give one like" in refused.stderr
    assert leaks(tmp_path, refused) == {}

import sys
from pathlib import Path

import dagster as dg

from artpipe.orchestration.home import prepare_home
from artpipe.orchestration.instance import WORKSPACE_YAML, artpipe_command, open_instance, ui_command
from artpipe.settings import Settings


def test_a_home_that_is_not_there_yet_is_made_with_the_settings_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new" / "home"))
    with open_instance(Settings(lake=str(tmp_path / "lake"))) as instance:
        assert instance.root_directory == str(tmp_path / "new" / "home")
    assert "max_concurrent_runs" in (tmp_path / "new" / "home" / "dagster.yaml").read_text()


def test_a_home_that_somebody_set_up_keeps_its_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert prepare_home(Settings(lake=str(tmp_path / "lake"))) == tmp_path
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_sqlite_keeps_its_logs_while_an_instance_is_open_and_leaves_none(tmp_path: Path):
    settings = Settings(lake=str(tmp_path))

    def logs() -> set[str]:
        return {path.name for path in (tmp_path / "dagster").rglob("*.db-wal")}

    with open_instance(settings) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("works"))
        assert logs() == {"runs.db-wal", "index.db-wal"}
    assert logs() == set()


def test_the_commands_that_open_a_lake_name_its_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = Path(sys.executable).parent
    sample = Settings()
    assert artpipe_command(sample, "search", "a picture.jpg") == f"{folder}/artpipe search 'a picture.jpg'"
    assert ui_command(sample).startswith(f"DAGSTER_HOME={tmp_path}/data_lake/sample/dagster {folder}/dagster dev -w /")
    other = Settings(lake=str(tmp_path / "my lake"), gallery="https://gallery.example")
    variables = f"ARTPIPE_LAKE='{tmp_path}/my lake' ARTPIPE_GALLERY=https://gallery.example"
    assert artpipe_command(other, "serve") == f"{variables} {folder}/artpipe serve"
    assert ui_command(other).startswith(f"DAGSTER_HOME='{tmp_path}/my lake/dagster' {variables} {folder}/dagster dev")


def test_the_workspace_of_the_checkout_is_the_one_that_ships():
    assert (Path(__file__).parents[2] / "workspace.yaml").read_bytes() == WORKSPACE_YAML.read_bytes()

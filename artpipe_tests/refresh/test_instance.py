from artpipe.refresh.instance import dagster_home, open_instance
from artpipe.settings import Settings


def test_a_home_that_is_not_there_yet_is_made_with_the_settings_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new" / "home"))
    with open_instance(Settings(lake=str(tmp_path / "lake"))) as instance:
        assert instance.root_directory == str(tmp_path / "new" / "home")
    assert "max_concurrent_runs" in (tmp_path / "new" / "home" / "dagster.yaml").read_text()


def test_a_home_that_somebody_set_up_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert dagster_home(Settings(lake=str(tmp_path / "lake"))) == tmp_path
    assert not list(tmp_path.iterdir())

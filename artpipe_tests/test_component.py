"""The graph as a component of another Dagster project."""

from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from artpipe.definitions import ArtCollection
from artpipe.errors import BadSettingError


def loaded(**settings: object) -> dg.Definitions:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(
            component_cls=ArtCollection,
            defs_yaml_contents={"type": "artpipe.definitions.ArtCollection", "attributes": {"settings": settings}},
        )
        with sandbox.load_component_and_build_defs(defs_path=place) as (_, definitions):
            return definitions


# What Dagster itself does to load a component is in beta.
@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_defs_yaml_with_settings_is_the_whole_graph(tmp_path: Path):
    definitions = loaded(lake=str(tmp_path / "lake"), sources="sources.yaml", max_artworks=7)
    assert {"raw_catalog", "images", "embeddings"} <= {
        key.to_user_string() for key in definitions.resolve_all_asset_keys()
    }
    assert definitions.resources["settings"].max_artworks == 7
    assert definitions.resources["lake"].root.path == str(tmp_path / "lake")


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(BadSettingError, match="'lakes' is no setting"):
        ArtCollection(settings={"lakes": "x"}).build_defs(None)

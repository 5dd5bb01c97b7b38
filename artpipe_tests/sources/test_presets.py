"""The presets on real records of the museums, which are beside the checkout."""

from pathlib import Path

import pytest
from upath import UPath

from artpipe.sources.config import parse_sources
from artpipe.sources.contract import SourceRows
from artpipe_tests.conftest import SHARED
from artpipe_tests.fixtures.tables import download

CATALOGUES = SHARED / "catalogues"


def read_preset(preset: str, file: str, raw: Path) -> SourceRows:
    path = CATALOGUES / file
    if not path.exists():
        pytest.skip(f"the catalogues are not at {CATALOGUES}")
    [source] = parse_sources(f"sources: [{{preset: {preset}, path: {path}}}]", "ours.yaml", Path("/")).sources
    download(source, UPath(raw))
    return source.read(UPath(raw))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("state", "rows", "pictures"), [("2014-01-08", 4833, 4430), ("2014-06-12", 4829, 4411), ("2014-10-27", 4828, 4423)]
)
def test_every_record_of_tate_is_read(tmp_path, state, rows, pictures):
    found = read_preset("tate", f"tate/tate_paintings_{state}.csv", tmp_path)
    assert (found.rows.height, found.quarantine.height, found.notes) == (rows, 0, ())
    assert found.rows["images"].list.len().sum() == pictures
    assert found.rows["label.movement"].list.len().max() >= 2
    artist = found.rows.filter(source_id="3")["artists"].item()[0]
    assert (artist["name"], artist["born"], artist["died"]) == ("Wood, Christopher", 1901, 1930)


@pytest.mark.shared
def test_every_record_of_cleveland_is_read(tmp_path):
    found = read_preset("cleveland", "cleveland/artworks.json", tmp_path)
    assert (found.rows.height, found.quarantine.height, found.notes) == (100, 0, ())
    assert found.rows["is_open"].all()
    row = found.rows.filter(source_id="93014").row(0, named=True)
    assert row["artists"][0]["name"] == "Thomas Cole"
    assert (row["year_from"], row["images"][0]["width_px"]) == (1838, 1263)
    assert row["rights_uri"] == "https://creativecommons.org/publicdomain/zero/1.0/"

"""Metadata that is too large for an event is shown in part, and what is small stays as it is."""

import base64
import io
import re

import dagster as dg
import hypothesis.strategies as st
import pytest
from hypothesis import given
from PIL import Image

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check, pipeline_checks
from artpipe.orchestration.dagster_private import serialize_value
from artpipe.orchestration.event_size import MAX_METADATA_BYTES, THUMBNAIL_BYTES, embedded_picture, limited, normalized
from artpipe.orchestration.metadata import save_picture

NAMES = st.text("abcdefgh_", min_size=1, max_size=20)
SCHEMA = dg.TableSchema(columns=[dg.TableColumn(f"column_{number}", "String") for number in range(40)])
PLAIN = st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=4000)
VALUES = (
    PLAIN
    | st.just(SCHEMA)
    | st.builds(dg.MetadataValue.md, st.text(max_size=20000))
    | st.lists(st.text(max_size=300), max_size=30)
)


def noise(width: int, height: int) -> bytes:
    """A picture that no format makes small."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 120).convert("RGB").save(out, "PNG")
    return out.getvalue()


def stored_bytes(metadata: dict[str, object]) -> int:
    """What Dagster writes of the metadata of an event."""
    return len(serialize_value(dg.AssetMaterialization("toy", metadata=metadata).metadata))


def thumbnails(value: dg.MetadataValue) -> list[Image.Image]:
    found = re.findall(r"base64,([^)]+)\)", str(value.value))
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


@given(st.dictionaries(NAMES, VALUES, max_size=12))
def test_metadata_of_any_kind_fits_and_small_metadata_is_left_as_it_is(metadata: dict[str, object]):
    assert stored_bytes(limited(metadata, 9000)) <= 9000
    assert limited(metadata, 10_000_000) == normalized(metadata)


def test_what_is_small_is_kept_whole_beside_what_is_large():
    metadata = {
        "rows": 3,
        "model_id": "40c3",
        "report": dg.MetadataValue.md("a line\n" * 100_000),
        "pairs": ["x"] * 99999,
    }
    kept = limited(metadata)
    assert (kept["rows"].value, kept["model_id"].value) == (3, "40c3")
    assert list(kept) == list(metadata)
    report = kept["report"].value
    assert report.startswith("a line\na line\n")
    assert report.endswith("a line\n\n… cut here, to keep the event small")
    assert kept["pairs"].value == "500 kB, left out to keep the event small"
    assert MAX_METADATA_BYTES * 0.4 < stored_bytes(kept) <= MAX_METADATA_BYTES


def test_many_pictures_become_smaller_and_stay_pictures():
    thumbnail = embedded_picture("noise", noise(900, 600))
    picture = dg.MetadataValue.md(f"{thumbnail}\n\nThe whole picture: `/reports/noise.png`")
    kept = limited({f"picture_{number}": picture for number in range(20)})
    assert stored_bytes(kept) <= MAX_METADATA_BYTES
    for value in kept.values():
        assert value.value.endswith("The whole picture: `/reports/noise.png`")
        (shown,) = thumbnails(value)
        assert 80 <= shown.width < thumbnails(picture)[0].width


def test_pictures_become_smaller_before_a_text_is_cut():
    picture, text = (
        dg.MetadataValue.md(embedded_picture("noise", noise(900, 600))),
        dg.MetadataValue.md("a line\n" * 4000),
    )
    kept = limited({"report": text} | {f"picture_{number}": picture for number in range(10)})
    assert kept["report"] == text
    assert all(thumbnails(kept[f"picture_{number}"])[0].width >= 80 for number in range(10))
    assert stored_bytes(kept) <= MAX_METADATA_BYTES


def test_a_picture_of_an_older_event_becomes_a_thumbnail():
    whole = noise(900, 600)
    older = dg.MetadataValue.md(f"![evaluation/a.png](data:image/png;base64,{base64.b64encode(whole).decode()})")
    kept = limited({"a": older, "n": 1})
    assert stored_bytes(kept) <= MAX_METADATA_BYTES < len(whole)
    assert thumbnails(kept["a"])[0].width >= 280


def test_the_whole_picture_is_in_the_lake_and_the_event_says_where(lake: DataLake):
    whole = noise(900, 600)
    shown = save_picture(lake, "evaluation/noise.png", whole)
    assert lake.report("evaluation/noise.png").read_bytes() == whole
    assert str(lake.report("evaluation/noise.png")) in shown.value
    assert len(shown.value) < THUMBNAIL_BYTES + 500
    assert thumbnails(shown)[0].width / thumbnails(shown)[0].height == pytest.approx(1.5, abs=0.02)


@pipeline_check(asset="toy")
def many_are_wrong(toy: list[int]) -> dg.AssetCheckResult:
    """Finds a great deal."""
    return dg.AssetCheckResult(passed=False, metadata={"found": len(toy), "wrong": [str(each) for each in toy]})


@pipeline_checks([dg.AssetCheckSpec("one", asset="toy"), dg.AssetCheckSpec("other", asset="toy")])
def both(toy: list[int]):
    """Find a great deal too."""
    for name in ("one", "other"):
        yield dg.AssetCheckResult(check_name=name, asset_key="toy", passed=True, metadata={"wrong": ["x"] * len(toy)})


def test_a_check_stays_small_whatever_it_found_and_keeps_its_description():
    @dg.asset
    def toy() -> list[int]:
        return list(range(100_000))

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([toy, many_are_wrong, both], instance=instance)
    found = {each.check_name: each for each in done.get_asset_check_evaluations()}
    assert set(found) == {"many_are_wrong", "one", "other"}
    assert all(stored_bytes(dict(each.metadata)) < MAX_METADATA_BYTES for each in found.values())
    assert found["many_are_wrong"].metadata["found"].value == 100_000
    (spec,) = many_are_wrong.check_specs
    assert spec.description == "Finds a great deal."

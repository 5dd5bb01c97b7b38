"""What is read of a manifest."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artpipe.sources.iiif_document import document
from artpipe.sources.iiif_image import ImageService
from artpipe.sources.iiif_json import NotIiifError, parsed, texts
from artpipe.sources.iiif_manifest import manifest_row
from artpipe.sources.iiif_reading import Reading
from artpipe.sources.remarks import Remarks
from artpipe_tests.fixtures.iiif_files import (
    SERVICE,
    SITE,
    annotation,
    canvas,
    image,
    manifest,
    manifest_2,
    pair,
    resource,
    service,
)

URL = f"{SITE}/pears.json"


def row_of(found, *, remarks=None, services=None, **reading):
    return manifest_row(found, URL, Reading(**reading), remarks or Remarks(), services or {})


def images_of(*bodies, **more):
    return row_of(manifest("pears.json", canvas(*bodies)), **more)["images"]


def said(found, **reading) -> str:
    """The remarks on a manifest."""
    remarks = Remarks()
    row_of(found, remarks=remarks, **reading)
    return " ".join(remarks.sentences())


def test_the_usual_labels_of_metadata_become_columns():
    row = row_of(
        manifest(
            "pears.json",
            metadata=[
                pair("Artist", "Winslow Homer (1836\u20131910)"),
                pair("Date", "1899"),
                pair("Medium", "Oil on canvas"),
                pair("Classification", "Painting"),
                pair("Repository", "Town museum"),
                pair("Weather", "rain"),
            ],
        )
    )
    assert [(maker["name"], maker["born"], maker["died"]) for maker in row["artists"]] == [
        ("Winslow Homer", 1836, 1910)
    ]
    assert (row["date_text"], row["medium"], row["classification"], row["location"]) == (
        "1899", "Oil on canvas", "Painting", "Town museum",
    )  # fmt: skip
    assert json.loads(row["extra"]) == {"Weather": ["rain"]}


def test_labels_are_known_in_any_of_their_languages_and_named_by_the_file_of_sources():
    found = manifest(
        "pears.json", metadata=[pair({"de": ["Entstanden"], "en": ["When"]}, "1650"), pair("Künstler", "Bo")]
    )
    row = row_of(found, columns={"date_text": ("entstanden",)})
    assert row["date_text"] == "1650"
    assert [maker["name"] for maker in row["artists"]] == ["Bo"]


def test_of_several_labels_of_a_column_the_first_that_there_is_counts_and_the_rest_is_kept():
    metadata = [
        pair("Collection", "Paintings"),
        pair("Institution", "Town museum"),
        pair("Artist", "Bo"),
        pair("Creator", "X"),
        pair("Note", "a"),
        pair("Note", "b"),
    ]
    row = row_of(manifest("pears.json", metadata=metadata))
    assert (row["location"], [maker["name"] for maker in row["artists"]]) == ("Town museum", ["Bo"])
    assert json.loads(row["extra"]) == {"Collection": ["Paintings"], "Creator": ["X"], "Note": ["a", "b"]}


def test_a_label_in_two_languages_counts_once():
    found = manifest("pears.json", metadata=[pair({"en": ["Creator"], "fr": ["Auteur"]}, "Bo\nFrench, 1859-1891")])
    assert [(maker["name"], maker["born"]) for maker in row_of(found)["artists"]] == [("Bo", 1859)]


def test_a_manifest_without_a_label_takes_its_title_from_the_metadata():
    assert row_of(manifest("pears.json", label=None, metadata=[pair("Title", "Pears")]))["title"] == "Pears"


def test_the_page_for_people_may_be_a_rendering_in_html():
    pdf, page = (
        {"@id": f"{SITE}/{name}", "format": form} for name, form in (("p", "application/pdf"), ("h", "text/html"))
    )
    assert row_of(manifest_2("pears.json", resource(), rendering=[pdf, page]))["landing_url"] == f"{SITE}/h"


def test_labels_of_tasks_are_split_and_listed_once():
    found = manifest("pears.json", metadata=[pair("Movement", "Baroque; Rococo", "Baroque"), pair("Genre", "")])
    row = row_of(found, labels={"movement": ("Movement",), "genre": ("Genre",), "mood": ("Mood",)})
    assert (row["label.movement"], row["label.genre"], row["label.mood"]) == (["Baroque", "Rococo"], [], [])


@pytest.mark.parametrize(
    ("languages", "title"),
    [(("en",), "Pears"), (("de", "en"), "Birnen"), (("fr",), "Pears"), (("it", "de"), "Birnen")],
)
def test_a_title_is_in_the_preferred_language_or_the_first(languages, title):
    label = {"en-GB": ["Pears"], "de": ["Birnen"]}
    assert row_of(manifest("pears.json", label=label), languages=languages)["title"] == title
    label_2 = [{"@value": "Pears", "@language": "en"}, {"@value": "Birnen", "@language": "de"}]
    assert row_of(manifest_2("pears.json", label=label_2), languages=languages)["title"] == title


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<span>Glen <a href='https://example.org'>Robson</a><br/>2 rooms</span>", "Glen Robson 2 rooms"),
        ("a < b and c > d", "a < b and c > d"),
        ("Still life &amp; pears\n\n", "Still life & pears"),
        ("half a \ud800 pair", "half a ? pair"),
    ],
)
def test_html_is_stripped_and_what_is_left_can_be_stored(value, text):
    assert texts(value, ("en",)) == [text]


@pytest.mark.parametrize(
    ("more", "uri", "is_open"),
    [
        ({"rights": "http://creativecommons.org/publicdomain/zero/1.0/"},
         "http://creativecommons.org/publicdomain/zero/1.0/", True),
        ({"license": ["http://rightsstatements.org/vocab/InC/1.0/"]},
         "http://rightsstatements.org/vocab/InC/1.0/", False),
        ({"license": "https://museum.example/terms"}, "https://museum.example/terms", None),
        ({"requiredStatement": pair("Attribution", "<a href='https://creativecommons.org/licenses/by-sa/3.0'>BY-SA</a>")},
         "https://creativecommons.org/licenses/by-sa/3.0", True),
        ({"metadata": [pair("Rights", "CC BY-NC, http://creativecommons.org/licenses/by-nc/4.0/")]},
         "http://creativecommons.org/licenses/by-nc/4.0/", False),
        ({"license": "<a href='https://creativecommons.org/publicdomain/mark/1.0/'>PDM</a>"},
         "https://creativecommons.org/publicdomain/mark/1.0/", True),
        ({}, None, None),
    ],
)  # fmt: skip
def test_rights_are_read_wherever_a_manifest_states_them(more, uri, is_open):
    row = row_of(manifest("pears.json", **more))
    assert (row["rights_uri"], row["is_open"]) == (uri, is_open)


def test_the_credit_line_is_the_required_statement_or_the_attribution():
    required = {"label": {"en": ["Attribution"]}, "value": {"en": ["<b>Town museum</b>"]}}
    assert row_of(manifest("pears.json", requiredStatement=required))["credit_line"] == "Town museum"
    assert row_of(manifest_2("pears.json", attribution="Town museum"))["credit_line"] == "Town museum"


def test_both_versions_say_the_same_of_one_work():
    metadata = [pair("Artist", "Bo"), pair("Date", "1650")]
    metadata_2 = [{"label": "Artist", "value": "Bo"}, {"label": "Date", "value": "1650"}]
    three = row_of(manifest("pears.json", canvas(image(services=(service(version=2),))), metadata=metadata))
    two = row_of(manifest_2("pears.json", resource(), metadata=metadata_2))
    urls = [images.pop("url") for row in (three, two) for images in row["images"]]
    assert three == two
    assert urls == [f"{SERVICE}/full/max/0/default.jpg", f"{SERVICE}/full/full/0/default.jpg"]


def test_an_image_has_its_service_with_version_size_and_limits():
    [found] = images_of(image(services=(service(maxWidth=900, maxArea=500_000),)))
    assert found == {
        "url": f"{SERVICE}/full/max/0/default.jpg", "service": SERVICE, "service_version": 3, "width_px": 3000,
        "height_px": 2000, "max_width_px": 900, "max_area_px": 500_000, "role": None,
    }  # fmt: skip


def test_a_manifest_may_name_the_service_alone():
    [found] = images_of({"type": "Image", "service": [service(f"{SERVICE}/", level=2)]})
    assert (found["url"], found["service"], found["width_px"]) == (None, SERVICE, None)


def test_a_service_of_level_1_without_a_size_takes_that_of_the_canvas():
    [found] = images_of({"type": "Image", "service": [service(level=1)]})
    assert (found["width_px"], found["height_px"]) == (1500, 1000)


def test_what_the_service_itself_said_goes_first():
    info = ImageService(SERVICE, 3, 2, 9000, 6000, max_width_px=800)
    [found] = images_of(image(), services={SERVICE: info})
    assert (found["width_px"], found["max_width_px"]) == (9000, 800)


def test_level_0_with_tiles_only_is_refused_with_the_reason():
    tiles = service(level=0, tiles=[{"width": 512, "scaleFactors": [1]}])
    assert images_of(image(services=(tiles,))) == []
    assert "tiles only" in said(manifest("pears.json", canvas(image(services=(tiles,)))))
    [elsewhere] = images_of(image(services=(tiles,), id=f"{SITE}/pears.jpg"))
    assert (elsewhere["url"], elsewhere["service"]) == (f"{SITE}/pears.jpg", None)


def test_level_0_with_sizes_is_asked_for_one_of_them():
    sizes = [{"width": 150, "height": 100}, {"width": 1800, "height": 1200}, {"width": 3000, "height": 2000}]
    [found] = images_of(image(services=(service(level=0, sizes=sizes),)))
    assert (found["url"], found["service"]) == (f"{SERVICE}/full/1800,1200/0/default.jpg", None)


def test_of_a_choice_the_first_is_taken_or_all():
    choice = {
        "type": "Choice",
        "items": [image(label={"en": ["Natural"]}), image(f"{SITE}/x", label={"en": ["X-ray"]})],
    }
    assert [each["role"] for each in images_of(choice)] == ["Natural"]
    assert [each["role"] for each in images_of(choice, choices="all")] == ["Natural", "X-ray"]
    choice_2 = {"@type": "oa:Choice", "default": resource(), "item": resource(label="X-ray")}
    found = row_of(manifest_2("pears.json", choice_2), choices="all")["images"]
    assert [each["role"] for each in found] == [None, "X-ray"]


def test_several_canvases_are_images_of_one_work_named_by_the_canvas():
    found = row_of(manifest("pears.json", canvas(image(), label="recto"), canvas(image(f"{SITE}/b"), label="verso")))
    assert [each["role"] for each in found["images"]] == ["recto", "verso"]


def test_an_image_on_a_part_of_a_canvas_is_a_detail_of_the_one_that_covers_it():
    part = annotation(image(f"{SITE}/b"), target=f"{SITE}/canvas/1#xywh=10,10,50,50")
    selector = {"type": "FragmentSelector", "value": "xywh=10,10,50,50"}
    other = annotation(image(f"{SITE}/c"), target={"type": "SpecificResource", "source": "x", "selector": selector})
    assert [each["role"] for each in images_of(image(), part, other)] == [None, "detail", "detail"]
    assert [each["role"] for each in images_of(part, other)] == ["part", "part"]


def test_a_region_of_an_image_is_asked_for_alone():
    selector = {"type": "ImageApiSelector", "region": "100,200,2000,1500"}
    cut = {"type": "SpecificResource", "source": image(), "selector": selector}
    [found] = images_of(cut)
    assert found["url"] == f"{SERVICE}/100,200,2000,1500/1366,/0/default.jpg"
    assert (found["service"], found["width_px"], found["height_px"]) == (None, 2000, 1500)
    without_service = {**cut, "source": image(services=())}
    assert images_of(without_service) == []
    assert "no service that cuts" in said(manifest("pears.json", canvas(without_service)))


def test_an_annotation_without_a_motivation_paints():
    found = manifest_2("pears.json", resource())
    found["sequences"][0]["canvases"][0]["images"][0]["motivation"] = ""
    assert len(row_of(found)["images"]) == 1


def test_a_canvas_without_an_image_and_a_record_without_one_are_said():
    found = manifest("pears.json", canvas(), canvas(image()))
    assert len(row_of(found)["images"]) == 1
    assert "1 canvases without an image" in said(found)
    assert "1 records without an image" in said(manifest("pears.json", canvas()))


def test_media_other_than_images_are_left_out_and_said():
    found = manifest("pears.json", canvas({"id": f"{SITE}/a.mp4", "type": "Video", "format": "video/mp4"}))
    assert row_of(found)["images"] == []
    assert "media other than images" in said(found)


@pytest.mark.parametrize(
    "address", ["data:image/png;base64,AAAA", "file:///etc/passwd", "ftp://x/y.jpg", "http://[", ""]
)
def test_an_image_that_is_not_on_the_web_is_left_out_and_said(address):
    found = manifest("pears.json", canvas({"id": address, "type": "Image"}))
    assert row_of(found)["images"] == []
    assert "without an address" in said(found)


def test_relative_addresses_count_from_the_manifest():
    found = manifest("x", canvas({"id": "../pears.jpg", "type": "Image"}), homepage=[{"id": "/pears", "type": "Text"}])
    row = row_of({**found, "id": "pears.json"})
    assert (row["images"][0]["url"], row["landing_url"]) == (f"{SITE}/pears.jpg", f"{SITE}/pears")
    assert (row["source_id"], row["work_id"]) == ("iiif.example/pears.json", "iiif.example/pears.json")


def test_two_manifests_that_declare_one_id_show_one_work():
    found = manifest("other.json")
    assert (row_of(found)["source_id"], row_of(found)["work_id"]) == (
        "iiif.example/pears.json", "iiif.example/other.json",
    )  # fmt: skip


def test_images_beyond_the_limit_are_left_out_and_said():
    found = manifest("pears.json", *[canvas(image())] * 100_000)
    assert len(row_of(found, max_images=10)["images"]) == 10
    assert "99,990 canvases left out, beyond the first 10 images" in said(found, max_images=10)


def test_the_day_of_navigation_is_the_date_where_there_is_no_other():
    assert row_of(manifest("pears.json", navDate="1987-01-01T00:00:00Z"))["date_text"] == "1987"


KEYS = [
    "id",
    "@id",
    "type",
    "@type",
    "items",
    "label",
    "value",
    "metadata",
    "service",
    "profile",
    "body",
    "resource",
    "selector",
    "region",
    "source",
    "target",
    "on",
    "width",
    "sizes",
    "en",
    "@value",
    "sequences",
    "canvases",
    "images",
    "motivation",
    "rights",
    "license",
    "requiredStatement",
    "homepage",
    "format",
    "first",
    "next",
    "members",
    "orderedItems",
    "last",
    "prev",
    "object",
    "endTime",
    "behavior",
    "navDate",
    "maxWidth",
]
ADDRESSES = st.sampled_from([SITE, "http://[", "//x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | ADDRESSES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)
KINDS = st.sampled_from(
    ["Manifest", "sc:Manifest", "Collection", "OrderedCollection", "OrderedCollectionPage", None, 1]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(found=st.dictionaries(st.sampled_from(KEYS), JSON), kind=KINDS)
def test_whatever_a_manifest_holds_it_is_read_or_refused_in_words(found, kind):
    body = json.dumps({**found, "type": kind}).encode()
    with suppress(NotIiifError):
        document(body, URL)
        row = row_of(parsed(body, URL), labels={"movement": ("en",)})
        json.dumps(row, ensure_ascii=False).encode()


@given(place=st.sampled_from(["body", "canvas", "service", "annotation", "pair"]), value=JSON)
def test_whatever_stands_in_a_part_of_a_manifest_the_rest_is_read(place, value):
    parts = {
        "body": manifest("a", canvas(annotation(value))),
        "canvas": manifest("a", {"type": "Canvas", "items": value}),
        "service": manifest("a", canvas({**image(), "service": value})),
        "annotation": manifest("a", {"type": "Canvas", "items": [{"items": [value]}]}),
        "pair": manifest("a", metadata=[value, {"label": value, "value": value}]),
    }
    row = row_of(json.loads(json.dumps(parts[place])))
    assert row["title"] == "a"

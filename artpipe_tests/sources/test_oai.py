"""A repository of OAI-PMH from its address to its rows."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from upath import UPath

from artpipe.catalog.rows import ROWS
from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.progress import SilentProgress
from artpipe.sources.config import parse_sources
from artpipe.sources.oai import OaiSource
from artpipe.sources.oai_harvest import MAX_EMPTY, UnreadableOaiError
from artpipe.sources.oai_record import NotARecordError, Reading, record_row
from artpipe.sources.oai_xml import NotOaiError, parsed_page
from artpipe.sources.remarks import Remarks
from artpipe_tests.fixtures.oai_repository import EDM, Kept, Repository, dublin_core


@pytest.fixture
def museum(repository) -> Repository:
    return repository[0]


@pytest.fixture
def folder(tmp_path) -> UPath:
    return UPath(tmp_path / "raw")


@pytest.fixture
def harvest(museum, repository, folder):
    """`harvest(**fields) -> what the source read` after a download."""

    def run(**fields):
        source = OaiSource(**{"name": "museum", "url": museum.url, **fields})
        museum.asked.clear()
        with GalleryClient(ClientConfig(repository[1], backoff_s=0.001)) as client:
            source.download(client, folder, SilentProgress())
        return source.read(folder)

    return run


def titled(*titles: str, **more) -> dict[str, Kept]:
    """A record of each title."""
    return {f"oai:m:{title}": Kept(dublin_core(title=title), **more) for title in titles}


def titles(found) -> list[str]:
    return found.rows["title"].to_list()


def lists(museum) -> list[dict[str, str]]:
    """The requests for records."""
    return [query for query in museum.asked if query["verb"] == "ListRecords"]


def test_every_page_of_a_repository_is_read(museum, harvest):
    museum.records = titled(*"abcde")
    found = harvest(labels={"subject": "dc:subject"})
    assert titles(found) == ["a", "b", "c", "d", "e"]
    assert found.rows.schema == pl.Schema({**ROWS, "label.subject": pl.List(pl.String)})
    assert found.rows["row_number"].to_list() == [1, 2, 3, 4, 5]
    assert (found.rows["source_id"][0], found.rows["modified"][0]) == ("oai:m:a", "2026-01-01T00:00:00Z")
    assert [len(query) for query in lists(museum)] == [2, 2, 2]


def test_the_next_harvest_asks_for_what_changed_since(museum, harvest, folder):
    museum.records = titled("a", "b", "c")
    harvest()
    museum.date = "2026-03-02T00:00:00Z"
    museum.records |= titled("d", datestamp="2026-02-10T00:00:00Z")
    museum.records["oai:m:a"] = Kept(dublin_core(title="a again"), "2026-02-11T00:00:00Z")
    museum.records["oai:m:b"] = Kept("", "2026-02-12T00:00:00Z")
    assert sorted(titles(harvest())) == ["a again", "c", "d"]
    assert lists(museum)[0]["from"] == "2026-02-01T00:00:00Z"
    state = (folder / "state.json").read_bytes()
    assert sorted(titles(harvest())) == ["a again", "c", "d"]
    assert [query.get("from") for query in museum.asked] == [None, "2026-03-02T00:00:00Z"]
    assert (folder / "state.json").read_bytes() == state


def test_a_deleted_record_that_comes_back_is_there_again(museum, harvest):
    museum.records = {"oai:m:a": Kept(""), **titled("b")}
    assert titles(harvest()) == ["b"]
    museum.date = "2026-03-02T00:00:00Z"
    museum.records |= titled("a", datestamp="2026-02-10T00:00:00Z")
    assert sorted(titles(harvest())) == ["a", "b"]


def test_days_are_asked_for_where_the_repository_counts_in_days_and_a_repeated_answer_is_kept_once(
    museum, harvest, folder
):
    museum.granularity = "YYYY-MM-DD"
    museum.records = titled("a", datestamp="2026-02-01")
    harvest()
    state, files = (folder / "state.json").read_bytes(), len(list(folder.iterdir()))
    harvest()
    assert lists(museum)[0]["from"] == "2026-02-01"
    assert ((folder / "state.json").read_bytes(), len(list(folder.iterdir()))) == (state, files)


@pytest.mark.parametrize(("deleted", "wanted", "since"), [
    ("persistent", "auto", "2026-02-01T00:00:00Z"), ("no", "auto", None), ("no", "changes", "2026-02-01T00:00:00Z"),
    ("persistent", "all", None),
])  # fmt: skip
def test_all_records_are_asked_for_where_the_deleted_are_not_told(museum, harvest, deleted, wanted, since):
    museum.deleted = deleted
    museum.records = titled("a", "b", "c")
    harvest(harvest=wanted)
    del museum.records["oai:m:a"]
    found = harvest(harvest=wanted)
    assert lists(museum)[0].get("from") == since
    assert titles(found) == (["a", "b", "c"] if since else ["b", "c"])


def test_the_pages_of_an_older_harvest_are_removed(museum, harvest, folder):
    museum.deleted = "no"
    museum.records = titled(*"abcde")
    harvest()
    museum.records = titled("a")
    harvest()
    assert len(list(folder.glob("*.xml"))) == 1


@pytest.mark.parametrize(("deleted", "wanted"), [("no", "auto"), ("persistent", "all")])
def test_all_records_asked_for_again_make_new_pages_only_where_one_differs(museum, harvest, folder, deleted, wanted):
    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    museum.deleted = deleted
    museum.records = titled(*"abcde")
    harvest(harvest=wanted)
    held = files()
    museum.date, museum.page_size = "2026-03-02T00:00:00Z", 3
    assert titles(harvest(harvest=wanted)) == [*"abcde"]
    assert files() == held
    (folder / min(held)).write_bytes(b"torn")
    assert titles(harvest(harvest=wanted)) == [*"abcde"]
    museum.records["oai:m:b"] = Kept(dublin_core(title="b again"))  # a datestamp that forgot to change
    assert titles(harvest(harvest=wanted)) == ["a", "b again", "c", "d", "e"]


def test_a_set_is_harvested_alone(museum, harvest):
    museum.records = titled("a", sets=("paintings",)) | titled("b", sets=("prints",)) | titled("c", sets=("paintings",))
    museum.page_size = 1
    assert titles(harvest(set="paintings")) == ["a", "c"]


def test_another_question_begins_anew(museum, harvest):
    museum.records = titled("a", sets=("x",)) | titled("b", sets=("y",))
    assert titles(harvest(set="x")) == ["a"]
    assert titles(harvest(set="y")) == ["b"]
    assert "from" not in lists(museum)[0]


def test_an_expired_token_begins_the_harvest_again_and_is_said(museum, harvest):
    museum.records = titled(*"abcde")
    museum.forgets = 1
    found = harvest()
    assert titles(found) == ["a", "b", "c", "d", "e"]
    assert found.notes[0] == "the repository forgot 1 times where a harvest was, which then began again"
    museum.forgets, museum.records = 2, titled(*"abcdef")
    with pytest.raises(UnreadableOaiError, match=r"badResumptionToken.*try again later"):
        harvest(harvest="all")
    assert titles(harvest()) == ["a", "b", "c", "d", "e"]


@pytest.fixture
def killed(museum, harvest):
    """`killed()`: a harvest of six records that ends after its second page."""

    def run() -> None:
        museum.records = titled(*"abcdef")
        museum.dies_after = 3
        with pytest.raises(UnreadableOaiError, match="not XML"):
            harvest()
        museum.dies_after = None

    return run


def test_a_harvest_that_was_killed_goes_on_where_it_was(museum, harvest, folder, killed):
    killed()
    assert not (folder / "state.json").exists()
    assert titles(harvest()) == ["a", "b", "c", "d", "e", "f"]
    assert [query["resumptionToken"] for query in lists(museum)] == ["4||"]
    assert not (folder / ".unfinished.json").exists()


def test_a_torn_page_of_a_killed_harvest_is_not_believed(museum, harvest, folder, killed):
    killed()
    next(folder.glob("*.xml")).write_bytes(b"torn")
    assert titles(harvest()) == ["a", "b", "c", "d", "e", "f"]
    assert len(lists(museum)) == 3


def test_a_repository_that_repeats_itself_is_left_alone_and_what_it_sent_is_kept(museum, harvest):
    museum.records = titled(*"abcde")
    museum.repeats = True
    found = harvest()
    assert titles(found) == ["a", "b"]
    assert "without a new record" in found.notes[0]


@pytest.mark.parametrize(("records", "pages"), [(titled("a", "b"), 2), ({}, MAX_EMPTY)])
def test_new_tokens_for_pages_without_a_new_record_end_the_harvest(museum, harvest, records, pages):
    museum.endless = lambda number: (titled("first") if number == 2 else records, f"token {number}")
    found = harvest()
    assert titles(found) == ["first", *(record.rpartition(":")[2] for record in records)]
    assert len(lists(museum)) == pages + 1
    assert "without a new record" in found.notes[0]


def test_a_page_whose_records_are_all_filtered_does_not_end_the_harvest(museum, harvest):
    museum.endless = lambda number: ({} if number == 3 else titled(f"r{number}"), "" if number == 4 else f"{number}")
    found = harvest()
    assert titles(found) == ["r2", "r4"]
    assert not any("new record" in note for note in found.notes)


def test_an_endless_list_is_left_at_the_limit_and_gone_on_with_where_that_is_raised(museum, harvest):
    museum.endless = lambda number: (titled(f"r{number}"), f"token {number}")
    found = harvest(max_pages=3)
    assert titles(found) == ["r2", "r3", "r4"]
    assert "only the first 3 pages" in found.notes[0]
    museum.endless = lambda number: (titled(f"s{number}"), f"token {number}")
    assert titles(harvest(max_pages=5)) == ["r2", "r3", "r4", "s2", "s3"]
    museum.endless = lambda number: (titled(f"t{number}"), "")
    found = harvest(max_pages=5)
    assert titles(found) == ["t2"]
    assert not any("max_pages" in note for note in found.notes)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"", "not XML"),
        (b"<rss/>", "not OAI-PMH"),
        (b"<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'><error code='badVerb'>what?</error></OAI-PMH>",
         "badVerb .what.*base address"),
    ],
)  # fmt: skip
def test_what_is_no_repository_is_refused_with_the_next_step(museum, harvest, answer, said):
    museum.answer = answer
    with pytest.raises(UnreadableOaiError, match=said):
        harvest()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prefix": "marc21"}, "cannotDisseminateFormat.*ListMetadataFormats"),
        ({"set": "drawings"}, "no records in the set drawings"),
        ({"url": "https://museum.example/other"}, "404"),
    ],
)
def test_a_wrong_question_is_refused_with_the_next_step(museum, harvest, fields, said):
    museum.records = titled("a")
    with pytest.raises(UnreadableOaiError, match=said):
        harvest(**fields)


def test_a_source_that_fails_leaves_what_the_folder_held(museum, harvest, folder):
    museum.records = titled("a")
    harvest()
    museum.answer = b"<html></html>"
    with pytest.raises(UnreadableOaiError):
        harvest()
    assert titles(OaiSource(name="m", url=museum.url).read(folder)) == ["a"]


def test_nothing_was_harvested_yet(folder):
    with pytest.raises(UnreadableOaiError, match="artpipe refresh"):
        OaiSource(name="m", url="https://museum.example/oai").read(folder)


@pytest.mark.parametrize("fields", [{"url": "museum.example"}, {"prefix": "a b"}, {"columns": {"titel": "dc:title"}}])
def test_a_field_that_cannot_be_meant_is_refused(fields):
    with pytest.raises(ValidationError):
        OaiSource(**{"name": "m", "url": "https://museum.example/oai", **fields})


def test_a_record_that_cannot_be_read_is_in_quarantine(museum, harvest):
    museum.records = titled("a") | {"oai:m:b": Kept("<mods xmlns='http://www.loc.gov/mods/v3'/>")}
    found = harvest()
    assert titles(found) == ["a"]
    [(number, reason, raw)] = found.quarantine.rows()
    assert (number, raw) == (2, "oai:m:b")
    assert "neither Dublin Core nor EDM" in reason


def test_the_preset_of_the_rijksmuseum_reads_records_of_its_shape(museum, harvest):
    [source] = parse_sources("sources: [{preset: rijksmuseum, name: rijks}]", "ours.yaml", Path("/")).sources
    museum.records = {"https://id.rijksmuseum.nl/1": Kept(PAINTING, sets=("261208",)), **titled("other")}
    fields = source.model_dump(exclude={"name", "url"}, exclude_unset=True)
    [row] = harvest(**fields).rows.to_dicts()
    assert (row["title"], row["label.subject"], row["source_id"]) == ("Pears", ["fruit"], "https://id.rijksmuseum.nl/1")


def test_control_characters_do_not_stop_a_harvest(museum, harvest):
    museum.records = {
        "oai:m:a": Kept("<dc:title xmlns:dc='http://purl.org/dc/elements/1.1/'>Pe\x0bars&#x1;</dc:title>")
    }
    assert titles(harvest()) == ["Pears"]


def test_entities_of_a_stranger_are_not_expanded(museum):
    laughs = b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
    whole = museum._whole("<ListRecords><record><header><identifier>i&f;</identifier></header></record></ListRecords>")
    [record] = parsed_page(whole.replace(b"?><", b"?>" + laughs + b"<", 1), "here").records
    assert record.identifier == "i"


def row_of(metadata: str, **reading):
    whole = Repository(records={"oai:m:1": Kept(metadata)}).respond({"verb": "ListRecords", "metadataPrefix": "edm"})
    [record] = parsed_page(whole, "here").records
    return record_row(record, Reading(**reading), Remarks())


def test_dublin_core_becomes_a_row():
    row = row_of(
        dublin_core(
            title=["Pears", "Birnen"], creator="Homer, Winslow, 1836-1910", date=["undated", "1899"],
            type=["Image", "painting"], format=["image/jpeg", "oil on canvas"], subject=["fruit", "table"],
            identifier=["SK-1", "https://museum.example/pears", "https://museum.example/pears.jpg"],
            rights=["Town museum", "http://creativecommons.org/publicdomain/mark/1.0/"], description="Three pears",
        ),
        labels={"subject": ("dc:subject",)},
    )  # fmt: skip
    [maker] = row["artists"]
    assert (maker["name"], maker["born"], maker["died"]) == ("Homer, Winslow", 1836, 1910)
    assert (row["title"], row["date_text"], row["classification"], row["medium"]) == (
        "Pears", "1899", "painting", "oil on canvas",
    )  # fmt: skip
    assert row["landing_url"] == "https://museum.example/pears"
    assert [image["url"] for image in row["images"]] == ["https://museum.example/pears.jpg"]
    assert (row["is_open"], row["credit_line"]) == (True, "Town museum")
    assert row["label.subject"] == ["fruit", "table"]
    assert json.loads(row["extra"]) == {
        "dc:date": ["undated"], "dc:description": ["Three pears"], "dc:format": ["image/jpeg"],
        "dc:identifier": ["SK-1"],
        "dc:title": ["Birnen"], "dc:type": ["Image"],
    }  # fmt: skip


PAINTING = EDM.format("""
<edm:ProvidedCHO rdf:about="https://museum.example/1">
  <dc:title xml:lang="nl">Peren</dc:title><dc:title xml:lang="en">Pears</dc:title>
  <dc:creator rdf:resource="#bo"/><dcterms:created>1650</dcterms:created><dcterms:medium rdf:resource="#oil"/>
  <dc:type rdf:resource="https://vocab.example/painting"/><edm:type>IMAGE</edm:type>
  <dc:subject xml:lang="en">fruit</dc:subject><edm:currentLocation rdf:resource="#town"/>
</edm:ProvidedCHO>
<edm:Agent rdf:about="#bo"><skos:prefLabel>Bo</skos:prefLabel><rdaGr2:dateOfBirth>1600-03-02</rdaGr2:dateOfBirth>
  <rdaGr2:dateOfDeath>1670</rdaGr2:dateOfDeath><owl:sameAs rdf:resource="http://www.wikidata.org/entity/Q42"/></edm:Agent>
<skos:Concept rdf:about="https://vocab.example/painting"><skos:prefLabel xml:lang="nl">schilderij</skos:prefLabel>
  <skos:prefLabel xml:lang="en">painting</skos:prefLabel></skos:Concept>
<skos:Concept rdf:about="#oil"><skos:prefLabel xml:lang="en-US">oil</skos:prefLabel></skos:Concept>
<edm:Place rdf:about="#town"><skos:prefLabel>Town</skos:prefLabel></edm:Place>
<ore:Aggregation rdf:about="https://museum.example/1#agg">
  <edm:isShownAt rdf:resource="https://museum.example/pears"/>
  <edm:isShownBy rdf:resource="https://img.example/pears.jpg"/><edm:hasView rdf:resource="https://img.example/back"/>
  <edm:object rdf:resource="https://img.example/thumbnail.jpg"/>
  <edm:rights rdf:resource="http://rightsstatements.org/vocab/InC/1.0/"/><edm:dataProvider>Museum</edm:dataProvider>
</ore:Aggregation>
<edm:WebResource rdf:about="https://img.example/pears.jpg"><ebucore:width>3000</ebucore:width>
  <ebucore:height>2000</ebucore:height><dc:rights>nobody</dc:rights>
  <svcs:has_service rdf:resource="https://img.example/iiif/pears"/></edm:WebResource>
<svcs:Service rdf:about="https://img.example/iiif/pears"><dcterms:conformsTo rdf:resource="http://iiif.io/api/image"/>
  <doap:implements rdf:resource="http://iiif.io/api/image/3/level2.json"/></svcs:Service>
""")


def test_edm_becomes_a_row_with_its_resources_resolved():
    row = row_of(PAINTING)
    assert (row["title"], row["date_text"], row["medium"], row["classification"], row["location"]) == (
        "Pears", "1650", "oil", "painting", "Town",
    )  # fmt: skip
    assert row["artists"] == [
        {"artist_id": None, "name": "Bo", "role": None, "born": 1600, "died": 1670,
         "authority_uri": "http://www.wikidata.org/entity/Q42"}
    ]  # fmt: skip
    assert (row["rights_uri"], row["is_open"]) == ("http://rightsstatements.org/vocab/InC/1.0/", False)
    assert row["landing_url"] == "https://museum.example/pears"
    assert set(json.loads(row["extra"])) == {"dc:subject", "edm:dataProvider", "edm:object", "edm:type"}
    front, back = row["images"]
    assert (front["service"], front["service_version"], front["width_px"]) == (
        "https://img.example/iiif/pears",
        3,
        3000,
    )
    assert (back["url"], back["service"]) == ("https://img.example/back", None)


def test_the_preferred_language_of_a_record_is_read():
    row = row_of(PAINTING, languages=("nl",))
    assert (row["title"], row["classification"]) == ("Peren", "schilderij")


def test_resources_may_stand_inside_the_elements_that_name_them():
    row = row_of(
        EDM.format(
            "<edm:ProvidedCHO>"
            "<dc:creator><edm:Agent rdf:about='#bo'><skos:prefLabel>Bo</skos:prefLabel></edm:Agent></dc:creator>"
            "<dc:type><skos:Concept><skos:prefLabel>print</skos:prefLabel></skos:Concept></dc:type>"
            "</edm:ProvidedCHO>"
        )
    )
    assert ([maker["name"] for maker in row["artists"]], row["classification"]) == (["Bo"], "print")


def test_an_image_may_stand_inside_the_element_that_shows_it():
    row = row_of(
        EDM.format(
            "<ore:Aggregation><edm:isShownBy><edm:WebResource rdf:about='https://img.example/1'><svcs:has_service>"
            "<svcs:Service rdf:about='https://img.example/iiif/1'/></svcs:has_service></edm:WebResource></edm:isShownBy>"
            "</ore:Aggregation>"
        )
    )
    assert [(image["url"], image["service"]) for image in row["images"]] == [
        ("https://img.example/1", "https://img.example/iiif/1")
    ]


def test_a_service_of_level_1_is_asked_by_width_where_the_size_is_unknown():
    row = row_of(PAINTING.replace("level2", "level1").replace("ebucore:width", "ebucore:breadth"))
    image = row["images"][0]
    assert (image["url"], image["service"]) == ("https://img.example/iiif/pears/full/1024,/0/default.jpg", None)
    sized = row_of(PAINTING.replace("level2", "level1"))["images"][0]
    assert sized["service"] == "https://img.example/iiif/pears"


def test_the_thumbnail_is_the_image_where_there_is_no_other():
    row = row_of(EDM.format("<ore:Aggregation><edm:object rdf:resource='https://img.example/t'/></ore:Aggregation>"))
    assert [image["url"] for image in row["images"]] == ["https://img.example/t"]


@pytest.mark.parametrize(
    ("url", "service", "version"),
    [
        ("https://i.example/pears/full/max/0/default.jpg", "https://i.example/pears", 3),
        ("https://i.example/pears/full/full/0/default.jpg", "https://i.example/pears", 2),
        ("https://i.example/pears/full/full/0/native.jpg", "https://i.example/pears", 1),
        ("https://i.example/pears/full/600,/0/default.jpg", None, None),
        ("https://i.example/pears.jpg", None, None),
    ],
)
def test_an_address_of_a_whole_picture_of_a_service_is_asked_at_the_size_that_is_stored(url, service, version):
    [image] = row_of(dublin_core(identifier=url))["images"]
    assert (image["url"], image["service"], image["service_version"]) == (url, service, version)


def test_the_file_of_sources_names_the_elements_of_a_column():
    metadata = dublin_core(title="Pears", source="https://img.example/1", coverage="1650")
    row = row_of(metadata, columns={"images": ("dc:source",), "date_text": ("dc:coverage",)})
    assert ([image["url"] for image in row["images"]], row["date_text"]) == (["https://img.example/1"], "1650")


NAMES = st.sampled_from(
    [
        "dc:title",
        "dc:creator",
        "dc:date",
        "dc:identifier",
        "dc:rights",
        "edm:isShownBy",
        "edm:Agent",
        "edm:WebResource",
        "svcs:has_service",
        "skos:prefLabel",
        "edm:rights",
        "ebucore:width",
    ]
)
TEXTS = st.sampled_from(["", "Pears", "1650", "http://[", "https://x.example/1", "#a", "\u0000", "\ud7ff", "9" * 30])


def element(name, about, link, text, inside) -> str:
    text, about = text.replace("\0", ""), about.replace("\0", "")
    return f"<{name} rdf:{link}='{about}'>{text}{''.join(inside)}</{name}>"


LINKS = st.sampled_from(["about", "resource"])
LEAVES = st.builds(element, NAMES, TEXTS, LINKS, TEXTS, st.just([]))
ELEMENTS = st.recursive(
    LEAVES, lambda inner: st.builds(element, NAMES, TEXTS, LINKS, TEXTS, st.lists(inner, max_size=3))
)


@given(st.lists(ELEMENTS, max_size=6))
def test_whatever_a_record_holds_it_is_read_or_refused_in_words(found):
    try:
        row = row_of(EDM.format("".join(found)), labels={"movement": ("dc:title",)})
    except NotARecordError as error:
        assert "neither" in str(error)  # noqa: PT017 - either may be
    else:
        json.dumps(row, ensure_ascii=False).encode()


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_is_sent_it_is_a_response_or_refused_in_words(body):
    with pytest.raises(NotOaiError, match="here"):
        parsed_page(body, "here")

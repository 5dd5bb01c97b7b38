import html
import json
import re
from collections.abc import ItemsView
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.of_gallery import claim_lake
from artpipe.lake.paths import DataLake
from artpipe.models.served import Refit, measured_model_id, write_refit
from artpipe.search.novelty import NoveltyScale, save_scale
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.tokens import EncodedPicture, Verdict, token_of

UNLIKE = "Unlike anything in this collection"
PAGES = ["/", "/search", "/works/d/durer/work001", "/artists", "/artists/d/durer", "/collection", "/map", "/api"]


def upload(client: TestClient, data: bytes, accept: str = "text/html"):
    return client.post("/search", files={"picture": ("p.jpg", data)}, headers={"accept": accept})


def choices(page: str) -> ItemsView[str, tuple[int, bool]]:
    """Each label to filter by, with its count and whether it is chosen."""
    found = re.findall(r'value="([^"]*)"( checked)?> <span>[^<]*</span> <span class="figure small">([\d,]+)', page)
    return {label: (int(count.replace(",", "")), bool(checked)) for label, checked, count in found}.items()


def measured(lake: DataLake, model_id: str, threshold: float) -> None:
    """Write the novelty scale of a lake: the threshold above which a distance is out of distribution."""
    save_scale(lake, NoveltyScale(model_id, np.eye(3, dtype=np.float32), threshold, 40))


def seen_as(artwork_id: str | None, model) -> str:
    """The token of a grey picture that was compared with the collection."""
    vector = np.full(3, 3**-0.5, dtype=np.float32)
    best = {"style": [("Baroque", 0.9)]}
    return token_of(EncodedPicture(vector, best, Verdict(artwork_id, 0.99)), model.model_id, model.labels)


def test_labels_of_what_does_not_look_like_a_painting_are_withheld(web_lake: DataLake, colour_model, picture_of):
    class Detecting(type(colour_model)):
        """Takes every picture for none."""

        def encode(self, pictures):
            return replace(super().encode(pictures), is_painting=np.zeros(len(pictures), dtype=bool))

    with TestClient(create_app(web_lake, WebConfig(), encoder=Detecting())) as client:
        shown = upload(client, picture_of((228, 77, 78))).text
        assert "This does not look like a painting" in shown
        assert "Its labels are withheld." in shown
        assert 'class="predictions"' not in shown
        assert "/works/d/durer/work000" in shown, "its neighbours are shown all the same"
        answer = client.post("/api/predict", files={"picture": ("p", picture_of((228, 77, 78)))}).json()
        assert (answer["is_painting"], answer["predictions"], answer["is_sure"]) == (False, {}, {})
        again = client.get("/api/search", params={"image": answer["image"]}).json()
        assert (again["is_painting"], again["predictions"]) == (False, {})


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_small_html_that_runs_no_script_of_its_own(client: TestClient, page: str):
    answer = client.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert len(answer.content) < 100_000
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")


def test_a_picture_leads_to_results_that_have_an_address(client: TestClient, picture_of):
    answer = upload(client, picture_of((228, 77, 78)))
    assert answer.status_code == 303
    address = answer.headers["location"]
    results = client.get(address)
    assert "Looks like your picture" in results.text
    assert "Renaissance" in results.text
    assert "/works/d/durer/work000" in results.text
    assert "/works/h/hals/work030" not in results.text
    assert client.get(address).text == results.text


def test_a_script_receives_the_address_of_the_results(client: TestClient, picture_of):
    response = upload(client, picture_of((228, 77, 78)), "application/json").json()
    assert parse_qs(urlsplit(response["address"]).query)["image"] == [response["token"]]


def test_words_are_found_whatever_their_accents(client: TestClient):
    page = client.get("/search", params={"words": "cafe durer"}).text
    assert "1 work." in page
    assert "A Café &lt;at&gt; Night &amp; Day" in page


def test_filters_show_how_many_works_each_choice_would_leave(client: TestClient):
    page = client.get("/search", params={"type": "portrait"}).text
    assert "30 works." in page
    assert choices(page) >= {"Rococo": (10, False), "landscape": (30, False), "portrait": (30, True)}.items()
    assert "type: portrait" in page


def test_several_values_of_a_filter_find_what_has_any_of_them(client: TestClient):
    page = client.get("/search?style=Baroque&style=rococo&type=portrait").text
    assert "20 works." in page
    assert choices(page) >= {"Baroque": (10, True), "Rococo": (10, True), "Northern Renaissance": (10, False)}.items()
    assert 'href="/search?style=Baroque&amp;type=portrait">style: rococo' in page
    assert client.get("/api/search?style=Baroque&style=rococo&type=portrait").json()["total"] == 20
    assert client.get("/api/search?artist=moon&artist=hals").json()["total"] == 40


def test_a_chosen_label_that_no_work_would_have_can_still_be_taken_away(client: TestClient):
    page = client.get("/search?style=Baroque&technique=copper&year_to=1501").text
    assert ("Baroque", (1, True)) in choices(page)
    page = client.get("/search?style=Baroque&type=portrait&year_to=1500").text
    assert "No work matches every filter." in page
    assert ("Baroque", (0, True)) in choices(page)


def test_years_are_shown_as_a_chart_of_what_the_other_filters_leave(client: TestClient):
    page = client.get("/search?type=portrait&year_from=1520&year_to=1539").text
    works = [int(count) for count in re.findall(r"<title>[^<]*: (\d+) works?</title>", page)]
    assert sum(works) == 30
    inside = re.findall(r'data-from="(\d+)" class="inside"', page)
    assert (inside[0], inside[-1]) == ("1520", "1538")


def test_technique_is_a_filter(client: TestClient):
    page = client.get("/search", params={"technique": "copper", "type": "landscape"}).text
    assert "15 works." in page
    assert ("Rococo", (5, False)) in choices(page)
    assert "technique: copper" in page


def test_location_is_a_filter(client: TestClient):
    page = client.get("/search", params={"location": "louvre"}).text
    assert "40 works." in page
    assert "location: louvre" in page


def test_a_value_that_cannot_be_used_offers_the_upload_of_a_picture_only_where_one_was_sent(client: TestClient):
    assert 'type="file"' not in client.get("/search?year_from=soon").text
    assert 'type="file"' in client.get("/search?image=damaged").text


def test_a_style_that_is_typed_as_words_leads_to_its_works(client: TestClient):
    page = client.get("/search", params={"words": "baroque"}).text
    assert 'Baroque is also a style: <a href="/search?style=Baroque">its 20 works</a>' in page


def test_other_names_of_a_style_lead_to_its_works(client: TestClient):
    assert 'href="/search?style=Baroque"' in client.get("/search", params={"words": "barocco"}).text
    assert 'href="/search?style=Baroque"' not in client.get("/search", params={"words": "moon"}).text


def test_misspelt_words_and_filters_offer_what_may_have_been_meant(client: TestClient):
    of_words = client.get("/search", params={"words": "albrekt durrer", "type": "portrait"}).text
    assert (
        'Did you mean <a href="/search?words=D%C3%9CRER%2C+Albrecht&amp;type=portrait">DÜRER, Albrecht</a>?' in of_words
    )
    of_filters = client.get("/search", params={"artist": "albrekt durrer", "words": "moon"}).text
    assert 'Did you mean <a href="/search?words=moon&amp;artist=D%C3%9CRER%2C+Albrecht">' in of_filters
    assert "Did you mean" not in client.get("/search", params={"words": "dürer"}).text


def test_each_hit_offers_more_and_less_like_it_at_an_address(client: TestClient):
    page = client.get("/search", params={"words": "moon"}).text
    assert "like=m%2Fmoon%2Fwork040" in page
    assert "unlike=" not in page
    page = client.get(
        "/search", params={"like": ["d/durer/work001", "d/durer/work002"], "unlike": "m/moon/work050"}
    ).text
    assert "Looks like these 2 works" in page
    assert 'href="/search?like=d%2Fdurer%2Fwork002&amp;unlike=m%2Fmoon%2Fwork050"' in page
    assert "57 results, most similar first" in page


def test_removing_the_last_like_example_removes_the_unlike_ones(client: TestClient):
    page = client.get(
        "/search", params={"like": "d/durer/work001", "unlike": "m/moon/work050", "type": "portrait"}
    ).text
    assert 'href="/search?type=portrait" rel="nofollow" aria-label="Remove Colour no. 1">' in page


def test_filters_apply_to_a_similarity_search(client: TestClient):
    page = client.get("/search", params={"like": "d/durer/work001", "style": "rococo", "year_from": "1530"}).text
    assert "11 results, most similar first" in page
    assert "/works/d/durer/work001" in page


def test_the_pages_of_a_long_result_show_each_work_once(client: TestClient):
    seen: list[str] = []
    for page in (1, 2, 3):
        text = client.get("/search", params={"page": page}).text
        assert f"Page {page} of 3" in text
        seen += [line.split('"')[1] for line in text.split("\n") if '<a href="/works/' in line]
    assert len(seen) == len(set(seen)) == 60


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"words": "qwerty"}, "No work matches these words."),
        ({"words": "qwerty", "style": "Baroque"}, "No work matches every filter."),
        ({"style": "Cubism"}, "No work has the style"),
        ({"artist": "Nobody"}, "No artist of the collection"),
        ({"page": 99}, "There is no such page"),
    ],
)
def test_a_page_without_results_has_the_next_step(client: TestClient, query: dict, message: str):
    answer = client.get("/search", params=query)
    assert answer.status_code == 200
    assert message in answer.text
    assert "Start a new search" in answer.text


def test_reversed_years_are_refused(client: TestClient):
    answer = client.get("/search", params={"year_from": "1700", "year_to": "1600"})
    assert answer.status_code == 422
    assert "The years end before they begin: from 1700 to 1600; exchange them." in answer.text


def test_years_before_christ_are_asked_for_and_shown_in_words(client: TestClient):
    answer = client.get("/search", params={"year_from": "500 BC", "year_to": "-450"})
    assert answer.status_code == 200
    assert "year from: 500 BC" in answer.text
    assert 'value="450 BC"' in answer.text
    assert client.get("/search", params={"year_from": "500 BCX"}).status_code == 422


def test_a_work_page_shows_catalogue_and_predicted_labels(client: TestClient):
    page = client.get("/works/d/durer/work001").text
    assert "Colour no. 1" in page
    assert '<td>Baroque</td><td>Baroque <span class="agrees">agrees</span></td><td class="figure">50 %</td>' in page
    assert "https://gallery.example/d/durer/work001.html" in page
    assert "2026-03-04" in page
    assert page.count('<li class="card">') == 12


def test_a_label_below_the_threshold_is_marked_unsure(web_lake: DataLake, colour_model, picture_of):
    with TestClient(create_app(web_lake, WebConfig(abstain_below=0.8), encoder=colour_model)) as client:
        results = upload(client, picture_of((228, 60, 97))).text
        assert '<dt>type <span class="unsure">unsure</span>' in results
        assert '<dt>style <span class="unsure">' not in results
        assert "means that no label reaches a probability of 80 %" in results
        work = client.get("/works/d/durer/work001").text
        assert '50 % <span class="unsure">unsure</span>' in work
        assert "means a probability below 80 %" in work


def test_labels_above_the_threshold_are_not_marked_unsure(client: TestClient, picture_of):
    results = client.get(upload(client, picture_of((228, 60, 97))).headers["location"]).text
    assert "<h3>The model\u2019s guess</h3>" in results
    assert "correct on 80 % of unseen works<" in results


def test_figures_of_the_measured_model_are_said_to_be_so_where_its_refit_predicts(
    client: TestClient, web_lake: DataLake, picture_of
):
    note = "of unseen works, measured before the model learned from all works"
    results = upload(client, picture_of((228, 60, 97))).headers["location"]
    write_refit(web_lake, Refit(str(measured_model_id(web_lake)), "81c0"))
    try:
        assert note in client.get(results).text
        assert "measured before it learned from all works" in client.get("/works/d/durer/work001").text
    finally:
        web_lake.refitted_model.unlink()
    assert "unsure" not in results + client.get("/works/d/durer/work001").text


def test_shared_results_of_a_picture_show_that_it_is_out_of_distribution(own_lake: DataLake, colour_model, picture_of):
    measured(own_lake, colour_model.model_id, threshold=0.3)
    with TestClient(create_app(own_lake, encoder=colour_model), follow_redirects=False) as client:
        grey, red = (upload(client, picture_of(colour)).headers["location"] for colour in ((128,) * 3, (228, 78, 78)))
    with TestClient(create_app(own_lake, encoder=colour_model)) as visitor:
        assert UNLIKE in visitor.get(grey).text
        assert "caution" in visitor.get(f"{grey}&style=Rococo&page=2").text
        assert UNLIKE not in visitor.get(red).text


def test_a_matched_painting_is_not_marked_out_of_distribution(own_lake: DataLake, colour_model):
    measured(own_lake, colour_model.model_id, threshold=0.0)
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        matched, unmatched = (client.get("/search", params={"image": seen_as(who, colour_model)}).text for who in (
            "d/durer/work001", None
        ))  # fmt: skip
    assert "In the collection" in matched
    assert UNLIKE not in matched
    assert UNLIKE in unmatched
    assert "We did not find the painting itself" in unmatched


def test_a_picture_of_a_detail_matches_the_whole_painting(client: TestClient, colour_model):
    page = client.get("/search", params={"image": seen_as("m/moon/work059", colour_model)}).text
    assert 'class="match" href="/works/m/moon/work058"' in page
    assert '<a href="/works/m/moon/work058">Colour no. 58</a></h2>' in page


@pytest.mark.parametrize(("threshold", "stands_apart"), [(0.1, True), (0.5, False)])
def test_a_work_out_of_distribution_is_marked(own_lake: DataLake, colour_model, threshold: float, stands_apart: bool):
    measured(own_lake, colour_model.model_id, threshold)
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        page = client.get("/works/d/durer/work001").text
    assert ("Unlike any other work here" in page) == stands_apart


def test_other_pictures_of_a_work_are_listed_apart_from_similar_works(client: TestClient):
    page = client.get("/works/m/moon/work058").text
    same, near = page.split("Most similar works")
    assert "/works/m/moon/work059" in same
    assert "/works/m/moon/work059" not in near


def test_a_source_whose_address_is_a_script_is_not_linked(client: TestClient):
    assert "javascript" not in client.get("/works/d/durer/work000").text


def test_a_work_is_described_for_search_engines_whatever_its_title(own_lake, colour_model):
    table = EmbeddingTable(own_lake)
    rows = table.read().with_columns(vector=table.vectors()[1]).filter(artwork_id="d/durer/work001")
    table.upsert(rows.with_columns(title=pl.lit("</script><script>alert(1)</script> & “more”")))
    page = TestClient(create_app(own_lake, encoder=colour_model)).get("/works/d/durer/work001").text
    block = page.split('<script type="application/ld+json">')[1].split("</script>")[0]
    described = json.loads(block)
    assert described["@type"] == "VisualArtwork"
    assert described["name"] == "</script><script>alert(1)</script> & “more”"
    assert described["creator"] == {"@type": "Person", "name": "DÜRER, Albrecht", "url": "/artists/d/durer"}
    assert described["sameAs"] == "https://gallery.example/d/durer/work001.html"
    assert "<script>" not in page


def test_a_drawn_work_does_not_link_to_a_site_that_does_not_have_it(own_lake, colour_model):
    client = TestClient(create_app(own_lake, encoder=colour_model))
    assert "gallery.example" in client.get("/works/d/durer/work001").text
    claim_lake(own_lake.local_root, "sample")
    client = TestClient(create_app(own_lake, encoder=colour_model))
    page = client.get("/works/d/durer/work001").text
    assert "gallery.example" not in page + client.get("/api/search").text + client.get("/api/search/hits.csv").text
    assert "Drawn for the sample gallery." in page


def test_an_artist_s_page_shows_all_their_works(client: TestClient):
    page = client.get("/artists/h/hals").text
    assert "HALS, Frans the Invented" in page
    assert "20 works" in page


def test_the_collection_page_shows_statistics_and_stale_assets(client: TestClient):
    page = client.get("/collection").text
    assert "<strong>60</strong> works" in page
    assert "unseen works" in page
    assert "80 %" in page
    assert "Embeddings, model, search index and map match." in page


@pytest.mark.parametrize(
    "address", ["/works/../../etc/passwd", "/works/nobody/nothing", "/artists/x", "/nowhere", "/static/", "/static"]
)
def test_a_missing_page_links_to_the_start(client: TestClient, address: str):
    answer = client.get(address, follow_redirects=True)
    assert answer.status_code == 404
    assert "Back to search" in answer.text


def test_a_file_path_is_not_accepted_as_an_example(client: TestClient, tmp_path, picture_of):
    file = tmp_path / "secret.jpg"
    file.write_bytes(picture_of((9, 9, 9)))
    assert client.get("/search", params={"like": str(file)}).status_code == 404
    assert client.get("/api/search", params={"like": str(file)}).status_code == 404


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/search?text=angel", "There is no parameter \"text\" here; did you mean 'words'?"),
        ("/search?stile=Baroque", "There is no parameter \"stile\" here; did you mean 'style'?"),
        ("/search?words=angel&utm_source=letter&fbclid=1", None),
        ("/search?words=angel", None),
    ],
)
def test_a_parameter_that_the_results_ignore_is_told_with_the_one_that_is_meant(
    client: TestClient, address: str, message: str | None
):
    answer = client.get(address)
    assert answer.status_code == 200
    said = html.unescape(answer.text)
    assert message in said if message else "There is no parameter" not in said

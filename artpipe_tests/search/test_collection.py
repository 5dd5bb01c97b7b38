import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from artpipe.embedding.predictions import PictureEncoder
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.collection import LakeMissingError, NothingEmbeddedError
from artpipe.search.hits import Hits
from artpipe.search.index import update_index
from artpipe.search.queries import (
    ModelMismatchError,
    UnknownArtworkError,
    UnusableQueryError,
    stored_form,
)

PictureOf = Callable[[tuple[int, int, int]], bytes]
RED = (200, 30, 30)
COLUMNS = [
    "rank",
    "artwork_id",
    "similarity",
    *("artist", "title", "date_text", "year_from", "year_to", "style", "period", "type", "school"),
    *("technique", "location", "page_url", "image_url"),
    *("predicted_style", "predicted_style_probability", "predicted_period", "predicted_period_probability"),
    *("predicted_type", "predicted_type_probability"),
]


@pytest.fixture
def collection(lake: DataLake, colour_model: PictureEncoder) -> Collection:
    return Collection.open(lake, encoder=colour_model)


def ids(hits: Hits) -> list[str]:
    return hits["artwork_id"].to_list()


def test_an_artwork_finds_its_likes_best_first_and_never_itself(collection: Collection):
    hits = collection.similar("d/durer/hare", k=3)
    assert ids(hits) == ["d/durer/hare_d", "h/hals/smile", "m/moon/lake"]
    assert hits["rank"].to_list() == [1, 2, 3]
    assert hits["similarity"].is_sorted(descending=True)
    assert hits.columns == COLUMNS


def test_similarity_is_the_cosine(collection: Collection):
    a, b = np.array(RED, dtype=float), np.array((190, 40, 35), dtype=float)
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert collection.similar("d/durer/hare", k=1)["similarity"][0] == pytest.approx(expected, abs=1e-6)


def test_more_than_there_is_gives_all_there_is(collection: Collection):
    assert collection.similar("d/durer/hare", k=50).height == 4
    assert collection.similar(np.ones(3), k=50).height == 5


@pytest.mark.parametrize("huge", [100_001, 2**31, 10**30])
def test_any_number_may_be_asked_for(collection: Collection, huge: int):
    assert collection.similar("d/durer/hare", k=huge).height == 4
    assert collection.similar("d/durer/hare", k=huge, distinct="work", exact=True).height == 3
    assert collection.similar("d/durer/hare", k=3, offset=huge).is_empty()
    assert [hits.height for hits in collection.similar_many(["d/durer/hare", "m/moon/lake"], k=huge)] == [4, 4]
    assert collection.browse(huge, offset=1).height == 4
    assert collection.browse(3, offset=huge).is_empty()


@pytest.mark.parametrize("form", [list, tuple, pl.Series, torch.tensor, lambda numbers: torch.tensor(numbers).double()])
def test_a_vector_of_any_kind_finds_the_same(collection: Collection, form: Callable[[list[float]], Any]):
    numbers = [float(part) for part in RED]
    assert ids(collection.similar(form(numbers), k=3)) == ids(collection.similar(np.array(numbers), k=3))


@pytest.mark.parametrize("query", [["d/durer/hare"], [[1, 2], [3]], object(), None, 3.5])
def test_what_is_neither_picture_nor_vector_is_refused_in_words(collection: Collection, query: Any):
    with pytest.raises(UnusableQueryError):
        collection.similar(query)


def test_the_same_work_can_be_left_out(collection: Collection):
    hits = collection.similar("d/durer/hare", k=2, include_same_work=False)
    assert ids(hits) == ["h/hals/smile", "m/moon/lake"]


@pytest.mark.parametrize(
    "form", ["path", "path as text", "bytes", "open file", "pil", "pixels", "floats", "tensor", "vector"]
)
def test_a_picture_is_found_in_every_form_it_may_come_in(
    collection: Collection, picture_of: PictureOf, tmp_path: Path, form: str
):
    data = picture_of(RED)
    (tmp_path / "mine.jpg").write_bytes(data)
    image = Image.open(io.BytesIO(data))
    query = {
        "path": tmp_path / "mine.jpg",
        "path as text": str(tmp_path / "mine.jpg"),
        "bytes": data,
        "open file": io.BytesIO(data),
        "pil": image,
        "pixels": np.asarray(image),
        "floats": np.asarray(image) / 255,
        "tensor": torch.tensor(np.asarray(image)).permute(2, 0, 1)[None] / 255,
        "vector": np.array(RED),
    }[form]
    hits = collection.similar(query, k=1)
    assert ids(hits) == ["d/durer/hare"]
    assert hits["similarity"][0] == pytest.approx(1, abs=1e-3)


def test_the_vector_that_lancedb_returns_finds_its_own_work(collection: Collection):
    table = collection.lake.connect().open_table("embeddings")
    row = table.search().where("artwork_id = 'h/hals/night'").limit(1)
    scalar = row.to_arrow()["vector"][0]
    for vector in (row.to_list()[0]["vector"], row.to_polars()["vector"][0], scalar, scalar.as_py()):
        assert ids(collection.similar(vector, k=1)) == ["h/hals/night"]


def test_levels_of_grey_are_a_picture_unless_they_have_the_length_of_a_vector(collection: Collection):
    grey = np.linspace(0.2, 0.9, 30 * 40).reshape(30, 40)
    for form in (grey, torch.tensor(grey), (grey * 255).astype(int).tolist()):
        assert collection.similar(form, k=1).height == 1
    with pytest.raises(UnusableQueryError, match="is neither a vector nor a picture"):
        collection.similar(grey[:, :3])


def test_an_artwork_s_id_stands_for_its_picture_in_a_prediction(collection: Collection):
    stored = collection.image("h/hals/night")
    assert collection.predict(["h/hals/night"])[0].best == collection.predict([stored])[0].best


def test_a_lake_is_looked_for_in_the_folders_above(lake: DataLake, colour_model: PictureEncoder, monkeypatch):
    folder = Path(lake.root) / "reports" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    opened = Collection.open("lake", encoder=colour_model)
    assert str(opened.lake.root) == str(lake.root)
    assert Collection.versions("lake").height
    monkeypatch.setenv("ARTPIPE_LAKE", "lake")
    assert len(Collection.open(encoder=colour_model)) == 5


def test_predictions_are_shown_in_a_notebook(collection: Collection, picture_of: PictureOf):
    answers = collection.predict([picture_of((0, 0, 255)), picture_of(RED)])
    answers[0] = replace(answers[0], file="<b>.jpg", is_sure={"style": True, "period": True, "type": False})
    page = answers._repr_html_()
    assert page.count("<table>") == 2
    assert "<caption>&lt;b&gt;.jpg</caption>" in page
    assert "<th>type (unsure)</th><td>genre 75%</td><td>study 25%</td>" in page


def test_an_array_that_is_neither_vector_nor_picture_and_a_web_address_are_refused(collection: Collection):
    with pytest.raises(UnusableQueryError, match=r"type int64 and shape \(6, 6, 6\) is no picture; give integers"):
        collection.similar(np.ones((6, 6, 6), dtype=np.int64))
    with pytest.raises(UnusableQueryError, match="download it and give the file"):
        collection.similar("https://gallery.example/red.jpg")


def test_many_queries_of_all_kinds_get_the_answers_they_get_alone(collection: Collection, picture_of: PictureOf):
    queries = ["d/durer/hare", picture_of((20, 30, 120)), np.ones(3), "m/moon/lake"]
    where = SearchFilter(year_from=1500)
    answers = collection.similar_many(queries, k=2, where=where, offset=1)
    for query, hits in zip(queries, answers, strict=True):
        alone = collection.similar(query, k=2, where=where, offset=1)
        assert hits.drop("similarity").equals(alone.drop("similarity"))
        np.testing.assert_allclose(hits["similarity"], alone["similarity"], atol=1e-6)
    assert collection.similar_many([]) == []


def test_the_pictures_of_many_queries_go_through_the_model_together(
    lake: DataLake, colour_model: PictureEncoder, picture_of: PictureOf, monkeypatch: pytest.MonkeyPatch
):
    batches: list[int] = []
    encode = colour_model.encode
    monkeypatch.setattr(colour_model, "encode", lambda pictures: batches.append(len(pictures)) or encode(pictures))
    collection = Collection.open(lake, encoder=colour_model)
    collection.similar_many([picture_of(RED), "d/durer/hare", picture_of((0, 0, 255))])
    assert batches == [2]


def test_a_picture_reaches_the_model_with_the_short_side_of_the_stored_ones(
    lake: DataLake, colour_model: PictureEncoder, monkeypatch: pytest.MonkeyPatch
):
    sizes: list[tuple[int, int]] = []
    encode = colour_model.encode
    monkeypatch.setattr(
        colour_model, "encode", lambda pictures: sizes.extend(one.size for one in pictures) or encode(pictures)
    )
    Collection.open(lake, encoder=colour_model).predict([Image.new("RGB", (200, 100), RED)])
    assert sizes == [(96, 48)]


def test_what_is_like_several_lies_between_them_and_none_of_them_comes_up(collection: Collection):
    assert ids(collection.like(["d/durer/hare", "d/durer/hare_d"], k=1)) == ["h/hals/smile"]
    between = collection.like([np.array([1, 0, 0]), np.array([0, 0, 1])], k=5)
    middle = np.array([1, 0, 1]) / np.sqrt(2)
    assert between["similarity"][0] == pytest.approx(collection.similar(middle, k=1)["similarity"][0])


def test_what_is_unlike_is_moved_away_from(collection: Collection):
    liked = ["d/durer/hare"]
    assert ids(collection.like(liked, k=4, include_same_work=False))[0] == "h/hals/smile"
    away = collection.like(liked, unlike=["h/hals/smile"], k=4)
    assert "h/hals/smile" not in ids(away)
    assert away["similarity"][0] < collection.like(liked, k=1)["similarity"][0]
    with pytest.raises(UnusableQueryError, match="no direction"):
        collection.like([np.array([1, 0, 0]), np.array([-1, 0, 0])])
    with pytest.raises(ValueError, match="at least one"):
        collection.like([])


def test_one_hit_of_each_work_or_artist(collection: Collection):
    red = np.array(RED)
    assert ids(collection.similar(red, distinct="work")) == [
        "d/durer/hare", "h/hals/smile", "m/moon/lake", "h/hals/night",
    ]  # fmt: skip
    assert ids(collection.similar(red, distinct="artist")) == ["d/durer/hare", "h/hals/smile", "m/moon/lake"]
    assert ids(collection.similar("d/durer/hare", distinct="work"))[0] == "h/hals/smile"
    assert ids(collection.similar(red, distinct="artist", k=1, offset=1)) == ["h/hals/smile"]
    with pytest.raises(ValueError, match="'work' or 'artist'"):
        collection.similar(red, distinct="style")  # pyright: ignore[reportArgumentType]


def test_pages_join_without_gap_or_repetition(collection: Collection):
    whole = collection.similar("d/durer/hare", k=4)
    pages = [collection.similar("d/durer/hare", k=2, offset=offset) for offset in (0, 2, 4)]
    assert pl.concat([page.to_polars() for page in pages]).equals(whole.to_polars())
    with pytest.raises(ValueError, match="offset"):
        collection.similar("d/durer/hare", offset=-1)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (SearchFilter(style="Baroque"), ["h/hals/smile", "h/hals/night"]),
        (SearchFilter(artist="durer"), ["d/durer/hare_d"]),
        (SearchFilter(year_from=1600, year_to=1900), ["h/hals/smile", "m/moon/lake"]),
        (SearchFilter(style="Baroque", year_to=1500), []),
        (SearchFilter(), ["d/durer/hare_d", "h/hals/smile", "m/moon/lake", "h/hals/night"]),
    ],
)
def test_a_filter_lets_only_its_works_through(collection: Collection, where: SearchFilter, expected: list[str]):
    assert ids(collection.similar("d/durer/hare", where=where)) == expected


def test_an_answer_tells_how_many_works_there_are_on_all_pages_and_with_each_label(collection: Collection):
    where = SearchFilter(style="Baroque")
    hits = collection.similar("d/durer/hare", k=1, where=where)
    assert (hits.height, hits.total, hits.word_match) == (1, 2, None)
    assert hits.facets["style"] == [("Baroque", 2), ("Renaissance", 2)], "every label of its own kind"
    assert hits.facets["type"] == [("portrait", 1), ("genre", 1)]
    assert collection.works[hits.positions]["artwork_id"].to_list() == ids(hits)
    assert collection.similar("d/durer/hare", k=1).total == 4
    assert collection.similar("d/durer/hare", k=1, include_same_work=False).total == 3
    assert collection.similar("d/durer/hare", k=1, distinct="work").total == 3
    assert collection.similar(np.array(RED), k=1, distinct="artist", where=SearchFilter(year_from=1600)).total == 2
    assert [hits.total for hits in collection.similar_many(["d/durer/hare", np.array(RED)], k=1)] == [4, 5]


def test_an_answer_tells_how_many_works_there_are_of_each_time(collection: Collection):
    years = collection.browse(1, SearchFilter(year_from=1600)).years
    known = collection.works.drop_nulls(["year_from", "year_to"])
    assert sum(years.counts) == known.height
    for year_from, year_to in known.select("year_from", "year_to").iter_rows():
        assert years.counts[((year_from + year_to) // 2 - years.first) // years.step] > 0
    assert years.counts[0] * years.counts[-1] > 0, "the chart has no empty ends"
    hals = collection.browse(1, SearchFilter(artist="hals", year_to=1500)).years
    assert (hals.first, hals.step, len(hals.counts)) == (years.first, years.step, len(years.counts))
    assert 0 < sum(hals.counts) < sum(years.counts)


def test_works_that_pass_a_filter_are_browsed_in_order(collection: Collection):
    where = SearchFilter(artist="hals")
    hits = collection.browse(1, where, offset=1)
    assert (ids(hits), hits["rank"].to_list(), hits.total) == (["h/hals/smile"], [2], 2)
    assert collection.browse(None).height == 5
    assert hits.columns == [name for name in COLUMNS if name != "similarity"]


def test_a_collection_tells_what_it_can_do(collection: Collection):
    assert not collection.has_text
    assert not collection.has_local_features


def test_an_empty_answer_keeps_its_columns(collection: Collection):
    hits = collection.similar("d/durer/hare", where=SearchFilter(style="Baroque", year_to=1500))
    assert hits.is_empty()
    assert hits.columns == COLUMNS


def test_a_quote_in_an_id_is_a_letter_like_any_other(collection: Collection):
    assert collection.images(["x' OR '1'='1", "h/hals/smile"]).keys() == {"h/hals/smile"}


def test_get_tells_everything_and_image_gives_the_stored_picture(collection: Collection, picture_of: PictureOf):
    work = collection.get("h/hals/smile")
    assert (work["title"], work["year_from"], work["model_id"]) == ("A Smile", 1620, "3fa9")
    assert "vector" not in work
    assert collection.image("h/hals/smile") == picture_of((180, 90, 40))


@pytest.mark.parametrize("query", ["x" * 10_000, "p/" * 10_000 + "x.jpg", "a\0b"])
def test_a_text_that_is_no_path_and_no_id_is_refused(collection: Collection, query: str):
    with pytest.raises((UnknownArtworkError, UnusableQueryError)):
        collection.similar(query)


def test_a_picture_of_sixteen_bits_is_stored_alike_in_whatever_form_it_is_given(tmp_path: Path):
    ramp = np.linspace(0, 65_535, 400).astype(np.uint16)[None].repeat(300, axis=0)
    file = tmp_path / "ramp.png"
    Image.fromarray(ramp).save(file)
    forms = (
        file,
        str(file),
        file.read_bytes(),
        Image.open(file),
        Image.fromarray(ramp),
        ramp,
        ramp[..., None] / 65_535,
    )
    assert len({stored_form(form, 100) for form in forms}) == 1
    levels = np.asarray(Image.open(io.BytesIO(stored_form(file, 100))))
    assert np.allclose(levels[50, [0, 66, -1], 0], [0, 127, 255], atol=3)


def test_a_picture_that_is_no_longer_stored_is_named(collection: Collection):
    collection.lake.connect().drop_table("images")
    with pytest.raises(UnknownArtworkError, match="picture of h/hals/smile is no longer stored"):
        collection.image("h/hals/smile")


def test_a_prediction_names_the_three_likeliest_labels(collection: Collection, picture_of: PictureOf, tmp_path: Path):
    (tmp_path / "red.jpg").write_bytes(picture_of((255, 0, 0)))
    first, second = collection.predict([tmp_path / "red.jpg", picture_of((0, 0, 255))])
    assert first.file == str(tmp_path / "red.jpg")
    assert [label for label, _ in first.best["style"]] == ["Renaissance", "Baroque", "Rococo"]
    assert first.best["style"][0][1] == pytest.approx(1, abs=0.01)
    assert second.as_json()["file"] is None
    assert [pair[0] for pair in second.as_json()["style"]] == ["Baroque", "Rococo", "Realism"]
    assert second.as_json()["type"] == [["genre", 0.75], ["study", 0.25]]


def test_a_label_below_the_threshold_is_unsure(lake: DataLake, colour_model: PictureEncoder, picture_of: PictureOf):
    def sure(abstain_below: float) -> dict[str, bool]:
        collection = Collection(lake, encoder=colour_model, abstain_below=abstain_below)
        return collection.predict([picture_of((0, 0, 255))])[0].is_sure

    assert sure(0) == {"style": True, "period": True, "type": True}
    assert sure(0.7) == {"style": False, "period": True, "type": True}
    assert sure(0.8) == {"style": False, "period": True, "type": False}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("d/durer/hair", r"no artwork 'd/durer/hair'; the closest are: d/durer/hare \(Young Hare, DÜRER, Albrecht\);"),
        ("young hare", r"closest are: d/durer/hare \(Young Hare"),
        ("????", r"ids look like 'd/durer/hare'"),
    ],
)
def test_an_unknown_artwork_is_answered_with_the_closest(collection: Collection, asked: str, message: str):
    with pytest.raises(UnknownArtworkError, match=message):
        collection.similar(asked)
    with pytest.raises(UnknownArtworkError, match=message):
        collection.get(asked)


def test_a_file_that_is_missing_or_no_picture_is_named(collection: Collection, tmp_path: Path):
    (tmp_path / "notes.jpg").write_text("not a picture", encoding="utf-8")
    with pytest.raises(UnusableQueryError, match=r"notes\.jpg"):
        collection.similar(tmp_path / "notes.jpg")
    with pytest.raises(UnusableQueryError, match=r"gone\.jpg is neither a file nor the id of an artwork"):
        collection.similar("gone.jpg")
    with pytest.raises(UnusableQueryError, match=r"gone\.png cannot be read \(No such file or directory\)"):
        collection.predict([tmp_path / "gone.png"])
    with pytest.raises(UnusableQueryError, match="cannot be read"):
        collection.similar(tmp_path)


@pytest.mark.parametrize("vector", [np.zeros(3), np.ones(4), np.array([1, np.nan, 0])])
def test_a_vector_without_direction_or_of_another_length_is_refused(collection: Collection, vector: np.ndarray):
    with pytest.raises(UnusableQueryError, match="vector"):
        collection.similar(vector)


def test_no_hits_at_all_cannot_be_asked_for(collection: Collection):
    with pytest.raises(ValueError, match="at least 1"):
        collection.similar("d/durer/hare", k=0)


def test_a_missing_lake_and_an_empty_one_say_what_to_do(empty_lake: DataLake, tmp_path: Path):
    with pytest.raises(
        LakeMissingError, match=r"no data lake at /.*/nowhere \(the closest folder is /.*\); run `artpipe demo`"
    ):
        Collection.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(NothingEmbeddedError, match='run `artpipe demo` or materialize "embeddings"'):
        Collection.open(empty_lake)


def test_a_table_of_another_model_is_refused(lake: DataLake, colour_model: PictureEncoder, picture_of: PictureOf):
    lake.served_model.write_text('{"model_id": "81c0"}')
    message = r'^the table was built by model 3fa9, the loaded one is 81c0; materialize "embeddings"\.$'
    for query in ("d/durer/hare", np.ones(3), picture_of(RED)):
        with pytest.raises(ModelMismatchError, match=message):
            Collection.open(lake).similar(query)
    colour_model.model_id = "81c0"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ModelMismatchError, match=message):
        Collection.open(lake, encoder=colour_model).similar(picture_of(RED))


def test_a_table_that_is_half_of_a_new_model_is_refused(lake: DataLake):
    row = EmbeddingTable(lake).read().head(1).with_columns(model_id=pl.lit("81c0"))
    EmbeddingTable(lake).upsert(row.with_columns(vector=np.array([[1, 0, 0]], dtype=np.float32)))
    with pytest.raises(ModelMismatchError, match='models 3fa9 and 81c0; materialize "embeddings"'):
        Collection.open(lake).similar("d/durer/hare")


def test_an_open_collection_keeps_its_version_of_the_table(lake: DataLake, colour_model: PictureEncoder):
    collection = Collection.open(lake, encoder=colour_model)
    EmbeddingTable(lake).remove(["d/durer/hare_d"])
    assert ids(collection.similar("d/durer/hare", k=1)) == ["d/durer/hare_d"]
    assert ids(Collection.open(lake, encoder=colour_model).similar("d/durer/hare", k=1)) == ["h/hals/smile"]


def test_explain_names_the_index_and_why_the_built_one_is_not_used(lake: DataLake):
    table = EmbeddingTable(lake)
    assert "no index was built" in Collection.open(lake).explain("d/durer/hare").reason
    update_index(lake)
    explanation = Collection.open(lake).explain("d/durer/hare")
    assert (explanation.index, explanation.is_exact, explanation.reason) == ("exact", True, "")
    assert (explanation.rows, explanation.rows_scanned) == (5, 5)
    assert explanation.milliseconds > 0
    table.remove(["m/moon/lake"])
    assert "the table changed" in Collection.open(lake).explain("d/durer/hare").reason


def test_the_settings_name_the_lake_by_default(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(lake.root))
    assert len(Collection.open()) == 5
    assert "d/durer/hare" in Collection.open()


def test_searching_by_id_loads_neither_torch_nor_lancedb(lake: DataLake):
    code = (
        "import sys; from artpipe.search import Collection; "
        f"Collection.open({str(lake.root)!r}).similar('d/durer/hare'); "
        "print([name for name in ('torch', 'lancedb', 'dagster', 'cv2', 'PIL') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_service_loads_beforehand_what_its_first_query_would_wait_for(
    lake: DataLake, monkeypatch: pytest.MonkeyPatch
):
    collection = Collection.open(lake)
    collection.warm_up()
    monkeypatch.setattr(EmbeddingTable, "vectors", lambda *_: pytest.fail("the vectors were read again"))
    assert collection.suggest("you")[0].text == "Young Hare"
    assert ids(collection.similar("d/durer/hare", k=1)) == ["d/durer/hare_d"]

"""What a task may be called, and where its labels come from."""

import inspect
from dataclasses import replace

import pytest
from pydantic import ValidationError

from artpipe.embedding.table import VECTOR, table_schema
from artpipe.schema import ARTWORKS, SPLITS
from artpipe.search.filters import LABEL_FIELDS, SearchFilter
from artpipe.search.hit_builder import hit_metadata
from artpipe.search.predictions import Prediction
from artpipe.tasks import RESERVED, WGA_TASKS, Task, TaskDeclaration, Tasks, read_tasks, write_tasks
from artpipe.web.questions import Question

FOUR = Tasks(
    Task("movement", ("Cubism", "Fauvism")),
    Task("century", ("before 1800", "after 1800"), is_ordinal=True, year_bounds=(1800,)),
    Task("technique_class", ()),
    Task("format", ("small", "large"), is_ordinal=True),
)
RESERVED_NAMES = frozenset[str]().union(*RESERVED.values())
PARAMETERS = [name for name in inspect.signature(Question.of).parameters if name != "labels"]
TAKEN = {
    "artworks": ARTWORKS,
    "splits": SPLITS,
    "embeddings": [*table_schema(()), VECTOR],
    "filters": SearchFilter.model_fields,
    "hits": ["rank", "artwork_id", "similarity", "relevance", *hit_metadata(())],
    "predictions": Prediction("a.jpg", {}, {}).as_json(),
    "addresses": PARAMETERS,
}


@pytest.mark.parametrize(("table", "names"), TAKEN.items(), ids=TAKEN)
def test_no_task_has_the_name_of_something_else(table: str, names: list[str]):
    assert set(names) - RESERVED_NAMES <= set(WGA_TASKS), f"{table} has names that tasks must not have"


@pytest.mark.parametrize("name", ["title", "vector", "split", "words", "predicted_style", "style_probability"])
def test_a_reserved_name_is_refused_where_a_task_is_declared(name: str):
    with pytest.raises(ValidationError, match=f"no task can be called '{name}', which is .*{name}_class"):
        TaskDeclaration(name=name)


@pytest.mark.parametrize("name", [*WGA_TASKS, "movement", "style_of_frame"])
def test_other_names_are_taken(name: str):
    assert TaskDeclaration(name=name).name == name


def test_tasks_are_kept_in_the_lake_and_those_of_the_web_gallery_of_art_are_the_default(lake):
    assert read_tasks(lake) == WGA_TASKS
    write_tasks(lake.tasks, FOUR)
    assert list(read_tasks(lake).values()) == list(FOUR.values())


def test_captions_show_the_first_task_that_the_catalogue_gives_labels_of():
    assert (WGA_TASKS.caption, Tasks(*list(FOUR.values())[1:2]).caption) == ("style", None)
    assert FOUR.among(["format", "movement", "title"]).names == ("movement", "format")


def test_the_fields_of_a_filter_that_are_labels_are_those_of_the_web_gallery_of_art_and_the_school():
    assert (*WGA_TASKS, "school") == LABEL_FIELDS


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"years": []}, "at least one"),
        ({"years": [1900, 1800]}, "later than the one before"),
        ({"years": [1800, 1900], "classes": ["old", "new"]}, "3 classes, and 2 are named"),
        ({"classes": ["a", "a"]}, "twice"),
        ({"classes": ["a", ""]}, "no name"),
    ],
)
def test_classes_and_years_that_do_not_fit_are_refused(declared: dict[str, object], why: str):
    with pytest.raises(ValidationError, match=why):
        TaskDeclaration(name="century", **declared)


def test_the_order_of_tasks_is_part_of_what_they_are():
    assert Tasks(*reversed(list(WGA_TASKS.values()))) != WGA_TASKS
    assert Tasks(*WGA_TASKS.values()) == WGA_TASKS


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (FOUR, ""),
        (Tasks(*list(FOUR.values())[:2]), f"the tasks are {', '.join(FOUR.names[:2])} now"),
        (
            Tasks(*(replace(task, classes=("Dada", *task.classes[1:])) for task in FOUR.values())),
            "has Dada now and has no",
        ),
        (Tasks(*(replace(task, is_ordinal=not task.is_ordinal) for task in FOUR.values())), "in another order or have"),
    ],
)
def test_what_changed_of_the_tasks_is_said(now: Tasks, words: str):
    found = now.changes_since(FOUR)
    assert words in found
    assert bool(found) == bool(words)

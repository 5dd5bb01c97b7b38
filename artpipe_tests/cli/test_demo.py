import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from artpipe.cli.demo import neighbour_table, print_accuracy, print_next_steps, print_summary
from artpipe.definitions import build_definitions
from artpipe.lake.paths import DataLake, write_whole
from artpipe.models.served import Pointer, Refit, Serving, write_pointer, write_refit
from artpipe.orchestration.instance import artpipe_command, ui_command
from artpipe.orchestration.runner import RefreshReport
from artpipe.settings import Settings
from artpipe.tasks import WGA_TASKS


def test_the_demo_ends_with_whole_lines_that_open_what_it_made(tmp_path):
    settings = Settings(lake=str(tmp_path / "a lake [1]"))
    out = io.StringIO()
    print_next_steps(settings, Console(file=out, width=60))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert artpipe_command(settings, "serve") in lines
    assert artpipe_command(settings, "search", "PICTURE.jpg") in lines
    assert ui_command(settings) in lines


def test_a_second_run_says_that_everything_is_fresh():
    def said(run: RefreshReport) -> str:
        out = io.StringIO()
        print_summary(run, build_definitions(Settings()), Console(file=out, width=120))
        return out.getvalue()

    asked = RefreshReport(ran=["raw_catalog", "raw_artists"], skipped=["images"], seconds=5)
    assert "2 assets ran and 1 were fresh, in 5.0 s: no work was needed.\n  Everything is fresh" in said(asked)
    assert "Everything" not in said(replace(asked, ran=["raw_catalog", "images"]))
    assert "Everything" not in said(replace(asked, skipped=[]))


@pytest.mark.parametrize(("answering", "is_said"), [("refit", True), ("measured", False)])
def test_whose_the_accuracy_is_is_said_where_a_refit_answers(tmp_path, answering, is_said):
    lake, out = DataLake(tmp_path / "lake"), io.StringIO()
    scores = {"at_1": 0.8, "at_3": 0.9, "majority_floor": 0.2}
    split = {"rows": 40, "classification": {"style": scores}}
    report = {"splits": {"test": split, "unseen_artists": split}}
    write_whole(lake.evaluation_report, json.dumps(report).encode())
    write_pointer(lake, Pointer(Serving("measured")))
    write_refit(lake, Refit("measured", answering))
    print_accuracy(lake, Console(file=out, width=100))
    assert "80.0% / 90.0%  (20.0%)" in out.getvalue()
    assert ("The model that answers is its refit" in out.getvalue()) == is_said


def test_a_terminal_of_80_columns_shows_every_column_of_the_neighbours():
    work = {
        "artist": "VAN DER WOELDE, Maaike",
        "title": "The Surrender of Königsfelden",
        "date_text": "June 1918, Johannisburg",
        "style": "Early Renaissance",
        "type": "mythological",
    }
    hits = [work | {"rank": rank, "similarity": 1 - rank / 100} for rank in range(1, 11)]
    out = io.StringIO()
    Console(file=out, width=80).print(neighbour_table(work, hits, WGA_TASKS))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    cells = [[cell.strip() for cell in line.strip("┃│").split("┃" if "┃" in line else "│")] for line in lines]
    assert ["", "similarity", "artist", "title", "date", "style", "type"] in cells
    assert [row[:2] for row in cells if row[0].isdigit()] == [[str(n), f"{1 - n / 100:.3f}"] for n in range(1, 11)]
    for column, name in enumerate(("artist", "title", "date_text", "style", "type"), start=2):
        shown = "".join(row[column] for row in cells if len(row) == 7)
        assert shown.count(work[name].split()[0][:4]) >= 10, name

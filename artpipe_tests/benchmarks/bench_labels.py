"""How right the measured model and the catalogue are on 300 works whose labels were checked by eye.

    python artpipe_tests/benchmarks/bench_labels.py --lake LAKE [--sheets FOLDER]

needs a lake of the recorded gallery, which has the works of `labels_checked.csv`. Prints Markdown tables: accuracies in
percent with 95 % intervals, Cohen's kappa, and how many of the labels that are wrong `suspect_labels` has. The model is
the measured one, which saw none of these works.

`--sheets` draws works from the splits `test` and `unseen_artists` of any lake, and the sheets of two readings, in two
orders, with numbers below the pictures and nothing else. `first` and `second` in the file are what the readings found
in the first place, `checked` is their label or, where they differ, that of a third look; `also` has the labels that
either reading found as right.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from artpipe.embedding.inference import InferenceCache
from artpipe.evaluation.bootstrap import interval_of_mean
from artpipe.figures.sheets import captioned_sheet
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.served import measured_card
from artpipe.splits.assign import hash_fraction
from artpipe.tasks import read_tasks

CHECKED = Path(__file__).with_name("labels_checked.csv")
SPLITS = ("test", "unseen_artists")
DRAWN_OF_A_SPLIT, DRAWN_OF_AN_ARTIST = 150, 30
SALT = "checked labels"


class CheckedWorks:
    """The checked works of a lake."""

    def __init__(self, lake: DataLake) -> None:
        self.lake, self.store = lake, ImageStore(lake)
        readings = pl.read_csv(CHECKED).with_columns(pl.col("also").fill_null("").str.split("|"))
        splits = pl.read_parquet(str(lake.table("training_set"))).filter(pl.col("split").is_in(SPLITS))
        self.rows = self.store.stored_rows(splits).join(
            readings.select("artwork_id").unique(), on="artwork_id", how="semi"
        )
        self.rows = self.rows.sort("artwork_id")
        if not self.rows.height:
            raise SystemExit(f"{lake.root} holds none of the checked works; the recorded gallery has them.")
        self.tasks = tuple(read_tasks(lake))
        self.readings = {
            task: self.rows.select("artwork_id").join(
                readings.filter(task=task), on="artwork_id", how="left", maintain_order="left"
            )
            for task in self.tasks
        }

    def is_right(self, task: str, said: NDArray[np.str_], *, also: bool = False) -> NDArray[np.bool_]:
        """Whether each of N labels is the checked one, or one that passes, too."""
        readings = self.readings[task]
        passing = readings["also"].to_list() if also else [[]] * len(said)
        return np.array(
            [one in {checked, *more} for one, checked, more in zip(said, readings["checked"], passing, strict=True)]
        )

    def predicted(self) -> dict[str, NDArray[np.str_]]:
        """What the model says that never saw these works."""
        card = measured_card(self.lake)
        found = InferenceCache(self.lake, card).infer(self.rows, self.store)
        return {task: np.array(card.classes[task])[found.probabilities[task].argmax(1)] for task in self.tasks}


def percent(is_right: NDArray[np.bool_], works: NDArray[np.str_]) -> str:
    """The share that is right, in percent, with its 95 % interval."""
    low, high = interval_of_mean(is_right, works)
    return f"{100 * is_right.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


def print_model(checked: CheckedWorks) -> None:
    """The model and the catalogue beside the checked labels, and two readings beside each other."""
    predicted, works = checked.predicted(), checked.rows["work_id"].to_numpy()
    splits = checked.rows["split"].to_numpy()
    for where in ("all", *SPLITS):
        here = np.ones(len(splits), bool) if where == "all" else splits == where
        print(f"\n{here.sum()} works, {where}\n\n| | {' | '.join(checked.tasks)} |\n|---|{'--:|' * len(checked.tasks)}")
        lines: dict[str, list[str]] = {}
        for task in checked.tasks:
            catalogue, said = checked.rows[task].fill_null("").to_numpy(), predicted[task]
            readings = checked.readings[task]
            first, second, label = (readings[name].to_numpy() for name in ("first", "second", "checked"))

            def kappa(left: NDArray[np.str_], right: NDArray[np.str_], here: NDArray[np.bool_] = here) -> str:
                return f"{cohen_kappa_score(left[here], right[here]):.2f}"

            cells = {
                "model, by the catalogue": percent((said == catalogue)[here], works[here]),
                "model, by the checked label": percent(checked.is_right(task, said)[here], works[here]),
                "model, or one that passes": percent(checked.is_right(task, said, also=True)[here], works[here]),
                "catalogue, by the checked label": percent(checked.is_right(task, catalogue)[here], works[here]),
                "catalogue, or one that passes": percent(
                    checked.is_right(task, catalogue, also=True)[here], works[here]
                ),
                "second reading, by the first": percent((first == second)[here], works[here]),
                "kappa: model and catalogue": kappa(said, catalogue),
                "kappa: model and checked": kappa(said, label),
                "kappa: catalogue and checked": kappa(catalogue, label),
                "kappa: two readings": kappa(first, second),
            }
            for name, cell in cells.items():
                lines.setdefault(name, []).append(cell)
        for name, each in lines.items():
            print(f"| {name} | {' | '.join(each)} |")


def print_suspects(checked: CheckedWorks) -> None:
    """How many labels of the catalogue that do not pass are in `suspect_labels`, and how many there are wrong."""
    table = pl.read_parquet(str(checked.lake.table("suspect_labels")))
    print("\n| suspect labels | wrong of all | suspect of the wrong | wrong of the suspect |\n|---|--:|--:|--:|")
    for task in checked.tasks:
        suspects = set(table.filter(task=task)["artwork_id"])
        is_suspect = checked.rows["artwork_id"].is_in(suspects).to_numpy()
        is_wrong = ~checked.is_right(task, checked.rows[task].fill_null("").to_numpy(), also=True)
        both, wrong = int((is_suspect & is_wrong).sum()), int(is_wrong.sum())
        counts = f"{wrong} of {len(is_wrong)} | {both} of {wrong} | {both} of {is_suspect.sum()}"
        print(f"| {task} | {counts} |")


def drawn_works(training_set: pl.DataFrame) -> pl.DataFrame:
    """Works that the measured model never saw, by salted hash: of each type in proportion to the root of its works."""
    by_hash = pl.col("artwork_id").map_elements(lambda name: hash_fraction(SALT, "draw", name), pl.Float64)
    rows = training_set.filter(pl.col("split").is_in(SPLITS)).with_columns(order=by_hash).sort("order")
    rows = rows.unique("work_id", keep="first", maintain_order=True)
    is_known, nth = pl.col("split") == "test", pl.int_range(pl.len()).over("artist_id")
    rows = rows.filter(is_known | (nth < DRAWN_OF_AN_ARTIST))
    of_type = ("split", "type")
    place = (pl.int_range(pl.len()).over(of_type) + pl.col("order")) / pl.len().over(of_type).sqrt()
    return rows.sort(place).filter(pl.int_range(pl.len()).over("split") < DRAWN_OF_A_SPLIT)


def draw_sheets(lake: DataLake, folder: Path, per_sheet: int = 12) -> None:
    """The sheets of two readings."""
    drawn, store = drawn_works(pl.read_parquet(str(lake.table("training_set")))), ImageStore(lake)
    for reading in ("r1", "r2"):
        ids = sorted(drawn["artwork_id"], key=lambda name: hash_fraction(SALT, reading, name))
        (folder / reading).mkdir(parents=True, exist_ok=True)
        (folder / reading / "order.txt").write_text("\n".join(ids))
        for start in range(0, len(ids), per_sheet):
            jpegs = store.jpegs(ids[start : start + per_sheet])
            captions = [[str(start + number)] for number in range(1, len(jpegs) + 1)]
            sheet = captioned_sheet(jpegs, captions, columns=4, tile_px=375)
            (folder / reading / f"{start // per_sheet:02d}.png").write_bytes(sheet)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="draw sheets to read instead")
    options = parser.parse_args()
    lake = DataLake(options.lake)
    if options.sheets:
        draw_sheets(lake, options.sheets)
        return
    checked = CheckedWorks(lake)
    print_model(checked)
    print_suspects(checked)


if __name__ == "__main__":
    main()

"""`artpipe refresh` killed with SIGKILL at random moments, many times; then the collection equals an undisturbed one.

A drawn gallery is served on loopback. Two collections are made of it and follow its changes: one by refreshes that die
after a random time until one of them ends, its twin by refreshes that nothing disturbs. The moments are drawn from the
length of an undisturbed refresh, so that over many kills every asset is hit. Each time when the first has caught up,
both are compared: the content version of every asset, so its rows, splits, labels, models and vectors, and that no row
is there twice. The exit code is 1 where something differs, or a refresh ends with an error.

    python artpipe_tests/benchmarks/random_kills.py --kills 60 --seed 0
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # artpipe_tests is not installed

from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.lineage import Lineage
from artpipe.sample_gallery.server import serving
from artpipe.sample_gallery.site import write_sample_site
from artpipe_tests.fixtures.small_training import SMALL_TRAINING
from artpipe_tests.orchestration.conftest import ChangingGallery

KILLED = -9
MOST_SECONDS = 600


class Keeper:
    """Somebody who refreshes a collection, and whose machine dies now and then."""

    def __init__(self, folder: Path, gallery: ChangingGallery) -> None:
        self.folder, self.gallery = folder, gallery

    def refresh(self, lake: Path, after_s: float | None = None) -> tuple[int, str, float]:
        """Refresh, and kill the process after so many seconds; its exit code, what it printed and the seconds."""
        settings = {**SMALL_TRAINING, "gallery": self.gallery.url, "lake": lake, "revalidate_after_days": 0}
        variables = {f"ARTPIPE_{name.upper()}": str(value) for name, value in settings.items()}
        command, began = [sys.executable, "-m", "artpipe.cli", "refresh"], time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                timeout=after_s or MOST_SECONDS,  # ends it with SIGKILL
                check=False,
            )
        except subprocess.TimeoutExpired:
            return KILLED, "", time.monotonic() - began
        return done.returncode, done.stdout + done.stderr, time.monotonic() - began

    def change(self, number: int, lake: DataLake) -> None:
        """Another gallery for the next round."""
        works = read_table(lake, "splits").filter(split="train").sort("artwork_id")["artwork_id"].to_list()
        self.gallery.add_like(works[number % len(works)])
        self.gallery.edit(works[(3 * number + 1) % len(works)], lambda row: row | {"TITLE": f"Corrected {number}"})
        self.gallery.hang(works[(5 * number + 2) % len(works)], number % 4)


def contents(lake: DataLake) -> dict[str, object]:
    """Content versions of all assets, and how many rows and artworks the tables hold that are written in parts."""
    names = sorted(path.stem for path in Path(lake.lineage("any")).parent.iterdir())
    images, embedded = (
        ImageStore(lake).outcomes()["artwork_id"],
        EmbeddingTable(lake).read(["artwork_id"])["artwork_id"],
    )
    return {
        **Lineage(lake).versions(names),
        "catalog_changes": read_table(lake, "catalog_changes").drop("changed_at").to_dicts(),
        "rows of images": (len(images), images.n_unique()),
        "rows of embeddings": (len(embedded), embedded.n_unique()),
    }


def main() -> int:
    """Run it; 0 where nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--artworks", type=int, default=80)
    options = parser.parse_args()
    chance, folder = np.random.default_rng(options.seed), Path(tempfile.mkdtemp(prefix="artpipe-kills-"))
    write_sample_site(folder / "site", artworks=options.artworks)
    kills, ended, lengths, problems = 0, 0, list[float](), list[str]()
    lake, twin = DataLake(folder / "lake"), DataLake(folder / "twin")
    with serving(folder / "site") as site:
        keeper = Keeper(folder, ChangingGallery(site))
        while kills < options.kills and not problems:
            code, printed, length_s = keeper.refresh(folder / "twin")
            lengths.append(round(length_s, 1))
            problems += [f"exit code {code}: {printed[-600:]}"] if code else []
            while True:
                code, printed, _ = keeper.refresh(folder / "lake", float(chance.uniform(0.1, length_s)))
                if code != KILLED:
                    break
                kills += 1
            problems += [f"exit code {code}: {printed[-600:]}"] if code else []
            ended += 1
            found, right = contents(lake), contents(twin)
            problems += [
                f"{name}: {found.get(name)}, not {right[name]}" for name in right if found.get(name) != right[name]
            ]
            print(f"after {kills} kills: {problems or 'equal'}", flush=True)
            keeper.change(ended, lake)
    outcome = {"benchmark": "random_kills", "right": not problems, "seed": options.seed, "kills": kills}
    outcome |= {"rounds": ended, "seconds_undisturbed": lengths, "problems": problems}
    print(json.dumps(outcome))
    if not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""How fast one epoch of training is, compared with the same network on tensors in memory and with a plain script.

    python artpipe_tests/benchmarks/bench_train.py --limit 640 --rounds 3

Every round times all three one after another, so that the ratios are of the same minutes of the same machine; they
are medians over the rounds. Rates are images a second. The baseline is `plain.py train`, with its own batches of 32.
"""

import argparse
import csv
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from artpipe.images.pixels import decode_square
from artpipe.lake.paths import DataLake
from artpipe.models.network import build_model
from artpipe.models.transforms import Normalise
from artpipe.schema import PERIODS, STYLES, TYPES, splits_schema
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.history import Epoch
from artpipe.training.loop import train_classifier
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.optimizer import make_optimizer

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Files:
    """Image files as an image store; those that do not decode are left out."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.jpg")):
            if len(self.paths) == limit:
                break
            try:
                decode_square(path.read_bytes(), 32)
            except ValueError:
                continue
            self.paths[path.relative_to(folder).as_posix()] = path

    def jpegs(self, artwork_ids: Sequence[str]) -> list[bytes]:
        """The bytes of the files."""
        return [self.paths[each].read_bytes() for each in artwork_ids]


def training_rows(files: Files) -> pl.DataFrame:
    """Every file as a training row with made-up labels; speed does not depend on them."""
    rows = []
    for number, (name, path) in enumerate(files.paths.items()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        labels = (STYLES[number % len(STYLES)], PERIODS[number % len(PERIODS)], TYPES[number % len(TYPES)])
        rows.append((name, name, "bench", "train", *labels, digest))
    return pl.DataFrame(rows, schema=splits_schema(WGA_TASKS), orient="row")


def plain_rate(plain: Path, folder: Path, labels: Path) -> float:
    """What `plain.py train` reaches on the same images."""
    command = [sys.executable, str(plain), "train", str(folder), str(labels)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["per_s"])


class Preloaded:
    """The same network, optimizer and batch size on pixels that are normalised and in memory already."""

    def __init__(self, files: Files, rows: pl.DataFrame, config: TrainingConfig) -> None:
        counts = {"style": len(STYLES), "period": len(PERIODS), "type": len(TYPES)}
        model, spec = build_model(config.backbone, counts, config.image_px, config.embedding_dim, config.dropout)
        self.model = model.to(memory_format=torch.channels_last).train()
        self.loss = MultiTaskLoss({task: torch.ones(count) for task, count in counts.items()}, config.label_smoothing)
        self.optimizer = make_optimizer(self.model, config)
        self.config, self.batches = config, []
        normalise = Normalise(spec, torch.device("cpu"))
        names = rows["artwork_id"].to_list()
        for first in range(0, len(names), config.recipe.batch_size):
            jpegs = files.jpegs(names[first : first + config.recipe.batch_size])
            squares = torch.stack([torch.from_numpy(decode_square(jpeg, config.image_px)) for jpeg in jpegs])
            labels = torch.zeros(len(jpegs), 3, dtype=torch.int64)
            pixels = normalise(squares).clone(memory_format=torch.channels_last)
            self.batches.append((pixels, labels))

    def rate(self) -> float:
        """One pass."""
        started, count = time.perf_counter(), 0
        for pixels, labels in self.batches:
            loss = self.loss(self.model(pixels)[1], labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
            self.optimizer.step()
            count += len(labels)
        return count / (time.perf_counter() - started)


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=SHARED / "gallery" / "site" / "art")
    parser.add_argument("--plain", type=Path, default=SHARED / "baseline" / "plain.py")
    parser.add_argument("--limit", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    parser.add_argument("--batch", type=int, default=None, help="images a step; default: the recipe's")
    parser.add_argument("--workers", type=int, default=None, help="DataLoader processes; default: by the cores")
    options = parser.parse_args()

    files = Files(options.images, options.limit)
    rows = training_rows(files)
    config = TrainingConfig(
        backbone=options.backbone,
        weights="none",
        epochs=options.rounds + 1,
        batch_size=options.batch,
        loader_workers=options.workers,
    )
    preloaded = Preloaded(files, rows, config)
    rates: dict[str, list[float]] = {"epoch": [], "preloaded": [], "plain": []}
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.csv"
        with labels.open("w", newline="") as out:
            table = csv.writer(out)
            table.writerow(["file", "style", "date", "type"])
            for number, name in enumerate(files.paths):
                table.writerow([name, number % len(STYLES), number % len(PERIODS), number % len(TYPES)])

        def one_round(epoch: Epoch) -> None:
            rate = preloaded.rate()
            if epoch.epoch == 1:  # the first pass of everything warms up
                return
            rates["epoch"].append(epoch.images_per_s)
            rates["preloaded"].append(rate)
            rates["plain"].append(plain_rate(options.plain, options.images, labels))

        train_classifier(rows, files, DataLake(Path(folder) / "lake"), WGA_TASKS, config, on_epoch=one_round)

    def ratio(yardstick: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates["epoch"], rates[yardstick], strict=True)), 3)

    result = {f"{name}_per_s": round(statistics.median(values), 1) for name, values in rates.items()}
    result |= {"epoch_to_preloaded": ratio("preloaded"), "epoch_to_plain": ratio("plain")}
    print(json.dumps({"what": "train", "images": len(files.paths), "backbone": options.backbone, **result}))


if __name__ == "__main__":
    main()

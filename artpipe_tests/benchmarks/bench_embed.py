"""How fast pictures become vectors, compared with the bare forward pass and with a plain script.

    python artpipe_tests/benchmarks/bench_embed.py --limit 1024 --rounds 5

`cached` reads decoded pixels, as the graph does. `bare` is the same network, precision and layout on pixels that are
normalised and in memory already. Every round times all of them one after another, and ratios are medians over the
rounds. The baseline is `plain.py embed`, a picture at a time.
"""

import argparse
import hashlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import torch

from artpipe.embedding.embedder import BATCH_SIZE, Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import PixelCache
from artpipe.models.card import ModelCard, WeightsSource
from artpipe.models.network import build_model

SHARED = Path(__file__).resolve().parents[3] / "shared"


def bench_train() -> ModuleType:
    """The neighbouring script, for its image files."""
    spec = importlib.util.spec_from_file_location("bench_train", Path(__file__).with_name("bench_train.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_rate(plain: Path, folder: Path, out: Path, limit: int) -> float:
    """What `plain.py embed` reaches on the same images."""
    command = [sys.executable, str(plain), "embed", str(folder), str(out), "--limit", str(limit)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["per_s"])


def cached_batches(embedder: Embedder, cache: PixelCache, keys: list[str]) -> Iterable[Predictions]:
    """The pictures of a cache, a batch at a time."""
    rows = cache.rows(keys)
    for first in range(0, len(rows), BATCH_SIZE):
        yield embedder.embed_pixels(cache.squares(rows[first : first + BATCH_SIZE]))


def rate_of(parts: Iterable[Predictions]) -> float:
    """Pictures a second of an embedding run."""
    started = time.perf_counter()
    count = sum(len(part) for part in parts)
    return count / (time.perf_counter() - started)


def bare_rate(embedder: Embedder, batches: list[torch.Tensor]) -> float:
    """Pictures a second of the forward pass alone."""
    started = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            embedder.backbone(batch)
    return sum(map(len, batches)) / (time.perf_counter() - started)


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=SHARED / "gallery" / "site" / "art")
    parser.add_argument("--plain", type=Path, default=SHARED / "baseline" / "plain.py")
    parser.add_argument("--limit", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    options = parser.parse_args()

    files = bench_train().Files(options.images, options.limit)
    classes = {"style": tuple("abcdefghijkl"), "period": tuple("abcdefgh"), "type": tuple("abcdefghij")}
    model, spec = build_model(options.backbone, {task: len(names) for task, names in classes.items()}, 224)
    card = ModelCard(classes, spec, options.backbone, model.embedding_dim, WeightsSource("none", None), "", 0, {})
    embedder = Embedder(model.eval(), card)
    names = list(files.paths)
    keys = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    rates: dict[str, list[float]] = {"cached": [], "bare": [], "plain": []}
    with tempfile.TemporaryDirectory() as folder:
        cache = PixelCache(Path(folder), spec.size)
        started = time.perf_counter()
        cache.ensure(names, keys, files)
        decode_rate = len(names) / (time.perf_counter() - started)
        pixels = torch.from_numpy(cache.pixels[: min(len(names), 512)])
        normalise = embedder._normalise
        batches = [normalise(part).clone(memory_format=torch.channels_last) for part in pixels.split(BATCH_SIZE)]
        for round_number in range(options.rounds + 1):
            now = {
                "cached": rate_of(cached_batches(embedder, cache, keys)),
                "bare": bare_rate(embedder, batches),
            }
            if round_number:  # the first pass of everything warms up
                now["plain"] = plain_rate(
                    options.plain, options.images, Path(folder) / "plain.npy", min(256, len(names))
                )
                for name, rate in now.items():
                    rates[name].append(rate)

    def ratio(yardstick: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates["cached"], rates[yardstick], strict=True)), 3)

    result: dict[str, object] = {f"{name}_per_s": round(statistics.median(values), 1) for name, values in rates.items()}
    result["decode_to_cache_per_s"] = round(decode_rate, 1)
    result |= {f"cached_to_{yardstick}": ratio(yardstick) for yardstick in ("bare", "plain")}
    print(json.dumps({"what": "embed", "images": len(names), "precision": embedder.precision, **result}))


if __name__ == "__main__":
    main()

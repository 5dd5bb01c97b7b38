"""What a Ray cluster costs and gains: pictures decoded and embedded here, by one worker, and by two, in one run.

    python artpipe_tests/benchmarks/bench_engine.py --pictures 5000

Every engine has one processor for each worker, and embeds the same pictures of the same lake with the same network. CPU
seconds are those of all processes: the driver, Ray's servers, its workers and what they import. Wall times mean
something on an idle machine with two processors only. The vectors of all three must be equal bit by bit.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from artpipe.embedding.inference import InferenceCache
from artpipe.engine.ray_engine import RayEngine
from artpipe.engine.shards import Engine, LocalEngine
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard, WeightsSource
from artpipe.models.checkpoint import save_model
from artpipe.models.network import build_model
from artpipe_tests.fixtures.ray_cluster import SmallCluster

PX, CLASSES = 224, {"style": ("Baroque", "Rococo"), "type": ("portrait", "landscape")}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def stored(lake: DataLake, pictures: int, side_px: int) -> None:
    """Store pictures of smooth noise, all of them other files."""
    rng, drawn = np.random.default_rng(0), list[bytes]()
    for _ in range(50):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 18, 3), dtype=np.uint8))
        out = io.BytesIO()
        coarse.resize((side_px, side_px * 4 // 3), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        drawn.append(out.getvalue())
    store = ImageStore(lake)
    lake.mark_format()
    store.prepare()
    for first in range(0, pictures, 1000):
        jpegs = [drawn[number % 50] + f"{number:08d}".encode() for number in range(first, min(first + 1000, pictures))]
        store.upsert(
            [
                {
                    "artwork_id": f"b/bench/{first + place:06d}",
                    "status": "fetched",
                    "attempts": 1,
                    "jpeg": jpeg,
                    "jpeg_sha256": hashlib.sha256(jpeg).hexdigest(),
                    "fetched_at": datetime.now(UTC),
                }
                for place, jpeg in enumerate(jpegs)
            ]
        )


def saved_model(lake: DataLake, backbone: str) -> ModelCard:
    """A network with random weights."""
    torch.manual_seed(0)
    network, transform = build_model(backbone, {task: len(names) for task, names in CLASSES.items()}, PX)
    card = ModelCard(CLASSES, transform, backbone, network.embedding_dim, WeightsSource("none", None), "v", 0, {})
    return save_model(lake, network.state_dict(), card)[0]


def cpu_s(cluster: SmallCluster | None) -> float:
    """Processor time of this process, and of those of the cluster."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    used = own.ru_utime + own.ru_stime
    for pid in cluster.processes() if cluster else ():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return used


def measured(lake: DataLake, card: ModelCard, engine: Engine, cluster: SmallCluster | None) -> dict[str, object]:
    """Embed every picture, none of which is known."""
    for name in ("inference", "pixels"):
        shutil.rmtree(lake.cache(name))
    rows = ImageStore(lake).outcomes().select("artwork_id", "jpeg_sha256")
    cpu, started = cpu_s(cluster), time.perf_counter()
    found = InferenceCache(lake, card, "cpu", engine).infer(rows, ImageStore(lake))
    wall_s, used_s = time.perf_counter() - started, cpu_s(cluster) - cpu
    digest = hashlib.sha256(found.vectors.tobytes()).hexdigest()[:12]
    return {
        "wall_s": round(wall_s, 1),
        "cpu_ms_per_picture": round(1000 * used_s / rows.height, 2),
        "vectors": digest,
    }


def main() -> None:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--side-px", type=int, default=320, help="short side of a stored picture")
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    options = parser.parse_args()
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        lake = DataLake(f"{folder}/lake")
        stored(lake, options.pictures, options.side_px)
        card = saved_model(lake, options.backbone)
        results: dict[str, dict[str, object]] = {}
        torch.set_num_threads(1)
        results["here"] = measured(lake, card, LocalEngine(), None)
        print(json.dumps({"here": results["here"]}), flush=True)
        program = Path(__file__).parents[1] / "fixtures/ray_cluster.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = opened.enter_context(subprocess.Popen([sys.executable, str(program)], text=True, **pipes))
        opened.callback(process.communicate, "")
        cluster = SmallCluster(process)
        engine = RayEngine(cluster.address, 1, 0, str(lake.root), print)
        results["one worker"] = measured(lake, card, engine, cluster)
        print(json.dumps({"one worker": results["one worker"]}), flush=True)
        with cluster.another_node():
            results["two workers"] = measured(lake, card, engine, cluster)
        print(json.dumps({"two workers": results["two workers"]}), flush=True)
    cpu = {name: float(str(one["cpu_ms_per_picture"])) for name, one in results.items()}
    wall = {name: float(str(one["wall_s"])) for name, one in results.items()}
    ratios = {
        "pictures": options.pictures,
        "cpu, one worker to here": round(cpu["one worker"] / cpu["here"], 3),
        "cpu, two workers to here": round(cpu["two workers"] / cpu["here"], 3),
        "speed, two workers to one": round(wall["one worker"] / wall["two workers"], 2),
        "equal vectors": len({one["vectors"] for one in results.values()}) == 1,
    }
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()

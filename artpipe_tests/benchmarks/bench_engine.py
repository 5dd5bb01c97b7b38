"""What a Ray cluster costs and gains: pictures decoded and embedded here, by one worker, and by two, in one run.

    python artpipe_tests/benchmarks/bench_engine.py --pictures 5000

Every engine has one processor for each worker, and embeds the same pictures of the same lake with the same network, in
a process of its own. CPU time is that of this process, the driver, and of the tasks' processes, from their start, with
all that they import; that of Ray's servers, which a standing cluster has anyway, stands beside it. Wall times mean
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
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artpipe.embedding.inference import InferenceCache
from artpipe.engine.ray_engine import RayEngine
from artpipe.engine.shards import LocalEngine
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard, WeightsSource, load_card
from artpipe_tests.fixtures.ray_cluster import SmallCluster, processes_below

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
    import torch  # here, so that the processes that are measured import it where they need it

    from artpipe.models.checkpoint import save_model
    from artpipe.models.network import build_model

    torch.manual_seed(0)
    network, transform = build_model(backbone, {task: len(names) for task, names in CLASSES.items()}, PX)
    card = ModelCard(CLASSES, transform, backbone, network.embedding_dim, WeightsSource("none", None), "v", 0, {})
    return save_model(lake, network.state_dict(), card)[0]


@dataclass(frozen=True)
class Used:
    """Processor time of this process, of those that run a cluster's tasks, and of Ray's own, in seconds."""

    driver: float
    tasks: float
    servers: float


def used_s(cluster: int | None) -> Used:
    """What was used so far, from the start of each process.

    Args:
        cluster: id of the process that started the cluster.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    by_kind = {"tasks": 0.0, "servers": 0.0}
    for pid in processes_below(cluster) if cluster else ():
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        kind = "tasks" if name.startswith(b"ray::") else "servers"
        by_kind[kind] += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return Used(own.ru_utime + own.ru_stime, **by_kind)


def measured(root: str, model_id: str, address: str | None, cluster: int | None) -> dict[str, Any]:
    """Embed every picture, none of which is known; run this in a process of its own, which has imported nothing yet.

    Args:
        root: of the lake.
        model_id: of the model.
        address: of the cluster; None to embed here, with one thread.
        cluster: id of the process that started it.
    """
    before, started = used_s(cluster), time.perf_counter()
    lake, engine = DataLake(root), LocalEngine()
    for name in ("inference", "pixels"):
        shutil.rmtree(lake.cache(name))
    if address is None:
        import torch

        torch.set_num_threads(1)
    else:
        engine = RayEngine(address, 1, 0, root, print)
    rows = ImageStore(lake).outcomes().select("artwork_id", "jpeg_sha256")
    card = load_card(lake.model(model_id))
    found = InferenceCache(lake, card, "cpu", engine).infer(rows, ImageStore(lake))
    wall_s, used = time.perf_counter() - started, used_s(cluster)
    tasks_s, servers_s = used.tasks - before.tasks, used.servers - before.servers
    return {
        "wall_s": round(wall_s, 1),
        "cpu_ms_per_picture": round(1000 * (used.driver + tasks_s) / rows.height, 2),
        "driver_cpu_s": round(used.driver, 2),
        "tasks_cpu_s": round(tasks_s, 2),
        "servers_cpu_s": round(servers_s, 2),
        "vectors": hashlib.sha256(found.vectors.tobytes()).hexdigest()[:12],
    }


def main() -> None:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--side-px", type=int, default=320, help="short side of a stored picture")
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    with ExitStack() as opened:
        root = f"{opened.enter_context(tempfile.TemporaryDirectory())}/lake"
        stored(DataLake(root), options.pictures, options.side_px)
        model_id = saved_model(DataLake(root), options.backbone).model_id

        def measure(name: str, address: str | None = None, cluster: int | None = None) -> None:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                results[name] = process.submit(measured, root, model_id, address, cluster).result()
            print(json.dumps({name: results[name]}), flush=True)

        measure("here")
        program = Path(__file__).parents[1] / "fixtures/ray_cluster.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = opened.enter_context(subprocess.Popen([sys.executable, str(program)], text=True, **pipes))
        opened.callback(process.communicate, "")
        cluster = SmallCluster(process)
        measure("one worker", cluster.address, process.pid)
        with cluster.another_node():
            measure("two workers", cluster.address, process.pid)
    here, one, two = results.values()
    ratios = {
        "pictures": options.pictures,
        "cpu, one worker to here": round(one["cpu_ms_per_picture"] / here["cpu_ms_per_picture"], 3),
        "cpu, two workers to here": round(two["cpu_ms_per_picture"] / here["cpu_ms_per_picture"], 3),
        "speed, two workers to one": round(one["wall_s"] / two["wall_s"], 2),
        "equal vectors": len({each["vectors"] for each in results.values()}) == 1,
    }
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()

"""A Ray cluster makes what this machine makes, bit by bit, whoever dies meanwhile; and says what is wrong with it."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from artpipe import __version__
from artpipe.crawler.cluster_limits import HostsOfCluster
from artpipe.crawler.shared_limits import shared_paces
from artpipe.embedding.inference import InferenceCache, embedding_rows
from artpipe.embedding.projection import nearest_known
from artpipe.embedding.table import EmbeddingTable, vectors_version
from artpipe.engine.chosen import engine_of
from artpipe.engine.ray_cluster import ClusterError
from artpipe.engine.ray_engine import ClusterObject, RayEngine, ShardFailedError
from artpipe.engine.shards import Engine, LocalEngine, Shard, Work, planned
from artpipe.evaluation.retrieval import score_retrieval
from artpipe.images.store import ImageStore
from artpipe.lake.keyed_table import KeyedTable
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard, WeightsSource
from artpipe.models.checkpoint import save_model
from artpipe.models.network import build_backbone, build_model
from artpipe.recognition.feature_index import build_feature_index
from artpipe.settings import Settings
from artpipe.sources.resources import GalleryResource
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.features import update_features
from artpipe_tests.fixtures.ray_cluster import DyingOnce, SmallCluster, StuckOn
from artpipe_tests.fixtures.s3_server import Bucket
from artpipe_tests.fixtures.tiny_gallery import picture

BACKBONE, PX, WORKS = "test_efficientnet", 32, 20
CLASSES = {"style": ("Baroque", "Rococo", "Realism"), "type": ("portrait", "landscape")}
IDS = [f"t/tester/{number:02d}" for number in range(WORKS)]


def make_shards_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (
        "engine.shards.SHARD_SIZE",
        "evaluation.retrieval.QUERIES_AT_ONCE",
        "embedding.projection.ROWS_AT_ONCE",
    ):
        monkeypatch.setattr(f"artpipe.{size}", 4)
    monkeypatch.setattr("artpipe.embedding.projection.EXACT_PRODUCTS", 0)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shards_small(monkeypatch)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(build_backbone(BACKBONE, PX)[0].body.state_dict(), file)
    return file


def stored_pictures(root: Path | str, cache: str | None = None) -> DataLake:
    """A lake with twenty stored pictures and nothing else."""
    lake, jpegs = DataLake(root, cache), [picture(number) for number in range(WORKS)]
    lake.mark_format()
    rows = [
        {
            "artwork_id": name,
            "status": "fetched",
            "attempts": 1,
            "jpeg": jpeg,
            "jpeg_sha256": hashlib.sha256(jpeg).hexdigest(),
            "fetched_at": datetime.now(UTC),
        }
        for name, jpeg in zip(IDS, jpegs, strict=True)
    ]
    store = ImageStore(lake)
    store.prepare()
    store.upsert(rows)
    return lake


def saved_model(lake: DataLake) -> ModelCard:
    torch.manual_seed(1)
    network, transform = build_model(BACKBONE, {task: len(names) for task, names in CLASSES.items()}, PX, 16)
    card = ModelCard(CLASSES, transform, BACKBONE, 16, WeightsSource("none", None), "v", 0, {})
    return save_model(lake, network.state_dict(), card)[0]


def rows_of(lake: DataLake) -> pl.DataFrame:
    return ImageStore(lake).outcomes().select("artwork_id", "jpeg_sha256")


def config_of(weights: Path) -> TrainingConfig:
    return TrainingConfig(backbone=BACKBONE, weights=str(weights), image_px=PX, device="cpu", loader_workers=0)


def digest(parts: Iterable[bytes | str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else part)
    return found.hexdigest()[:12]


def content(lake: DataLake, name: str) -> str:
    """A hash of all rows of a table, which holds each work once."""
    table = open_lance(lake.lance_table(name))
    assert table is not None
    rows = table.to_table().sort_by("artwork_id")
    assert rows["artwork_id"].to_pylist() == IDS
    return digest(str(rows.to_pylist()).split())


def features_made(lake: DataLake, weights: Path, engine: Engine | None = None) -> str:
    update_features(rows_of(lake), ImageStore(lake), lake, config_of(weights), engine=engine)
    return content(lake, "backbone_features")


def everything_made(lake: DataLake, weights: Path, engine: Engine) -> dict[str, str]:
    """What each stage makes, by hash."""
    found = {"backbone_features": features_made(lake, weights, engine)}
    card, images = saved_model(lake), ImageStore(lake)
    predictions = InferenceCache(lake, card, "cpu", engine).infer(rows_of(lake), images)
    assert predictions.computed == WORKS
    probabilities = [predictions.probabilities[task].tobytes() for task in CLASSES]
    found["vectors"] = digest([predictions.vectors.tobytes(), *probabilities])
    table = EmbeddingTable(lake, WGA_TASKS, rights=False)
    described = rows_of(lake).with_columns(work_id=pl.col("artwork_id"))
    table.prepare(16)
    table.upsert(embedding_rows(described, predictions, card, WGA_TASKS))
    found["data versions"] = f"{content_hash(table.read())} {vectors_version(table.read())}"
    vectors, labels = predictions.vectors, {"style": [*("Baroque", "Rococo", None, "Rococo")] * (WORKS // 4)}
    scores = score_retrieval(vectors, IDS, labels, np.arange(WORKS), split="test", k=3, engine=engine)
    assert scores[0].n == WORKS * 3 // 4
    near = nearest_known(vectors, vectors, 3, exclude_self=True, engine=engine)
    found["neighbours"] = digest([str(scores), near.indices.tobytes(), near.distances.tobytes()])
    build_feature_index(lake, queries=2, engine=engine)
    return found | {name: content(lake, name) for name in ("local_features", "visual_words")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> dict[str, str]:
    """What this machine makes in a folder, in one shard after another."""
    with pytest.MonkeyPatch.context() as patched:
        make_shards_small(patched)
        return everything_made(stored_pictures(tmp_path_factory.mktemp("local") / "lake"), weights, LocalEngine())


def engine_at(cluster: SmallCluster, lake: DataLake | None = None, **options: Any) -> RayEngine:
    folder = str(lake.root) if lake is not None and lake.is_local else None
    given = {"task_cpus": 1.0, "task_gpus": 0.0, "folder": folder, "log": lambda _: None} | options
    return RayEngine(cluster.address, **given)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_bucket_and_a_cluster_hold_what_a_folder_and_one_process_hold(
    bucket: Bucket, request: pytest.FixtureRequest, weights: Path, expected, tmp_path: Path, workers: int
):
    lake = stored_pictures(f"{bucket.address}/lake", str(tmp_path))
    if not workers:
        assert everything_made(lake, weights, LocalEngine()) == expected
        return
    cluster: SmallCluster = request.getfixturevalue("ray_cluster")
    if workers == 1:
        assert everything_made(lake, weights, engine_at(cluster)) == expected
        return
    with cluster.another_node():
        assert everything_made(lake, weights, engine_at(cluster)) == expected


def test_a_worker_that_is_killed_changes_nothing(ray_cluster: SmallCluster, weights: Path, expected, tmp_path: Path):
    marker, lake = tmp_path / "died", stored_pictures(tmp_path / "lake")

    class Engine(RayEngine):
        def map(self, work: Work, shards: Any) -> Any:
            return super().map(DyingOnce(work, 8, marker), shards)

    engine = Engine(ray_cluster.address, 1, 0, str(lake.root), print)
    assert features_made(lake, weights, engine) == expected["backbone_features"]
    assert marker.exists()


def test_a_node_that_is_lost_changes_nothing(ray_cluster: SmallCluster, weights: Path, expected, tmp_path: Path):
    marker, lake = tmp_path / "stuck", stored_pictures(tmp_path / "lake")
    with ray_cluster.another_node() as node:

        class Engine(RayEngine):
            def map(self, work: Work, shards: Any) -> Any:
                return super().map(StuckOn(work, node, marker), shards)

        def kill() -> None:
            while not marker.exists():
                time.sleep(0.05)
            ray_cluster.kill_node()

        killer = threading.Thread(target=kill)
        killer.start()
        engine = Engine(ray_cluster.address, 1, 0, str(lake.root), print)
        assert features_made(lake, weights, engine) == expected["backbone_features"]
        killer.join()


DRIVER = """
import sys, time
from pathlib import Path
from artpipe.engine import shards
from artpipe.engine.ray_engine import RayEngine
from artpipe.lake.paths import DataLake
from artpipe_tests.engine.test_ray_engine import features_made

shards.SHARD_SIZE = 4

class Engine(RayEngine):
    def map(self, work, given):
        for number, done in enumerate(super().map(work, given)):
            yield done
            if number == 1:
                print("two shards are committed", flush=True)
                time.sleep(600)

lake = DataLake(sys.argv[1])
features_made(lake, Path(sys.argv[2]), Engine(sys.argv[3], 1, 0, str(lake.root), print))
"""


def test_a_driver_that_is_killed_goes_on_where_it_was(
    ray_cluster: SmallCluster, weights: Path, expected, tmp_path: Path
):
    lake = stored_pictures(tmp_path / "lake")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", DRIVER, str(lake.root), str(weights), ray_cluster.address]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert "two shards are committed\n" in driver.stdout  # after what Ray prints of lost nodes
        driver.send_signal(signal.SIGKILL)
    assert len(KeyedTable(lake, "backbone_features").keys()) == 8
    assert features_made(lake, weights, engine_at(ray_cluster, lake)) == expected["backbone_features"]


ASKING = """
import sys
from artpipe.crawler.shared_limits import shared_paces

pace = shared_paces(None, sys.argv[1])("0.0.0.0:9", 1000.0, 1)
pace.silence(500)
with pace.connection(lambda _: None):
    print("told to be silent for 500 s", flush=True)
    sys.stdin.read()
"""


def test_drivers_share_the_limits_of_a_host_and_one_that_is_killed_leaves_them_as_they_are(
    ray_cluster: SmallCluster, tmp_path: Path
):
    import ray

    settings = Settings(gallery="http://0.0.0.0:9", ray_address=ray_cluster.address)
    pace = shared_paces(None, settings.ray_address)("0.0.0.0:9", 1000.0, 1)
    command = [sys.executable, "-c", ASKING, ray_cluster.address]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "told to be silent for 500 s\n"
        with pytest.raises(AllTakenError), pace.connection(refuse):
            pass
        driver.send_signal(signal.SIGKILL)
    with GalleryResource.of(settings).client(DataLake(tmp_path), settings=settings) as client:
        assert "0.0.0.0 requests a pause of" in str(client.get("/a.jpg").error)
    ray.kill(ray.get_actor(f"hosts-{__version__}", namespace="artpipe"))
    assert pace.claim() == 0.0  # of the object that took its place


class AllTakenError(Exception):
    """There is no free connection."""


def refuse(_: float) -> None:
    raise AllTakenError


def test_nothing_of_the_cluster_listens_beyond_loopback(ray_cluster: SmallCluster):
    list(engine_at(ray_cluster).map(pids, planned(IDS, IDS)))
    owned = {name for pid in ray_cluster.processes() for name in _open_files(pid)}
    listening = [
        columns[1]
        for name in ("tcp", "tcp6")
        for columns in map(str.split, Path(f"/proc/net/{name}").read_text().splitlines()[1:])
        if columns[3] == "0A" and f"socket:[{columns[9]}]" in owned
    ]
    assert listening
    loopback = ("0100007F:", "00000000000000000000000001000000:", "0000000000000000FFFF00000100007F:")
    assert [address for address in listening if not address.startswith(loopback)] == []


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # processes end meanwhile, and close files
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(file.readlink())


def pids(shard: Shard, threads: int) -> pa.Table:
    return pa.table({"pid": [os.getpid()] * len(shard), "threads": [threads] * len(shard)})


def failing(shard: Shard, _: int) -> pa.Table:
    raise KeyError(f"no {shard.ids[1]}\nand a second line")


def test_what_a_task_opened_serves_the_next_and_another_process_does_it(ray_cluster: SmallCluster):
    done = list(engine_at(ray_cluster).map(pids, planned(IDS, IDS)))
    assert sorted(name for shard, _ in done for name in shard.ids) == IDS
    (pid,) = {pid for _, made in done for pid in made["pid"].to_pylist()}
    assert pid != os.getpid()


def test_a_task_that_fails_names_its_pictures(ray_cluster: SmallCluster):
    with pytest.raises(ShardFailedError, match=r"the 4 pictures from 't/tester/00' to 't/tester/03': KeyError: .*no t"):
        list(engine_at(ray_cluster).map(failing, planned(IDS, IDS)))


def test_a_folder_that_a_node_lacks_is_named(ray_cluster: SmallCluster):
    with pytest.raises(ShardFailedError, match="no folder /not/here, where the lake is; share the folder"):
        list(engine_at(ray_cluster, folder="/not/here").map(pids, planned(IDS, IDS)))


def test_another_version_of_artpipe_on_the_nodes_is_named(ray_cluster: SmallCluster, monkeypatch):
    monkeypatch.setattr("artpipe.engine.ray_engine.__version__", "9.9")
    with pytest.raises(ShardFailedError, match=r"has artpipe .*, and what drives it 9\.9; give both the same image"):
        list(engine_at(ray_cluster).map(pids, planned(IDS, IDS)))


def test_too_few_processors_are_told_at_once_and_end_the_run(ray_cluster: SmallCluster, monkeypatch):
    monkeypatch.setattr("artpipe.engine.ray_engine.STALLED_AFTER_S", 0.2)
    monkeypatch.setattr("artpipe.engine.ray_engine.GIVE_UP_AFTER_S", 0.3)
    said: list[str] = []
    with pytest.raises(ClusterError, match=r"has the 64 CPUs and 0 GPUs of a task .* lower ARTPIPE_RAY_TASK_CPUS"):
        list(engine_at(ray_cluster, task_cpus=64, log=said.append).map(pids, planned(IDS, IDS)))
    assert said[0].endswith("shards, 0 at a time")
    assert said[1].startswith("waiting: no node of the Ray cluster has the 64 CPUs")
    assert said[2].startswith("still waiting: no node")


def sleeping(shard: Shard, threads: int) -> pa.Table:
    time.sleep(0.5)
    return pids(shard, threads)


def test_no_progress_is_told_while_others_hold_the_slots(ray_cluster: SmallCluster, monkeypatch):
    monkeypatch.setattr("artpipe.engine.ray_engine.STALLED_AFTER_S", 0.1)
    said: list[str] = []
    list(engine_at(ray_cluster, log=said.append).map(sleeping, planned(IDS[:4], IDS[:4])))
    assert "no progress" in said[1]
    assert "1 shards wait, and 0 of the 1 slots of the Ray cluster are free" in said[1]


def test_a_lost_connection_is_one_line_and_the_next_run_connects_again(
    ray_cluster: SmallCluster, monkeypatch: pytest.MonkeyPatch
):
    import ray

    def lost(*_: Any, **__: Any) -> None:
        ray.shutdown()
        raise ConnectionError("Client is shutting down.")

    with monkeypatch.context() as patched:
        patched.setattr(ray, "wait", lost)
        with pytest.raises(ClusterError, match=r"the connection to .* was lost \(Client is .* run again to go on"):
            list(engine_at(ray_cluster).map(pids, planned(IDS, IDS)))
    assert not ray.is_initialized(), "cancelling its tasks connected to a cluster again"
    assert len(list(engine_at(ray_cluster).map(pids, planned(IDS, IDS)))) == 5


def test_a_connection_that_is_lost_between_two_shards_is_not_replaced_by_another_cluster(ray_cluster: SmallCluster):
    import ray

    done = engine_at(ray_cluster).map(pids, planned(IDS, IDS))
    next(done)
    ray.shutdown()
    with pytest.raises(ClusterError, match="was lost"):
        list(done)
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_dead_address_is_one_line(address: str):
    pytest.importorskip("ray", reason="Ray is not installed")
    engine = RayEngine(address, 1, 0, None, print)
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at .*ARTPIPE_RAY_ADDRESS=.*with `ray start"):
        _without_cluster(engine)


def test_who_tells_a_cluster_that_is_gone_goes_on():
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    ray.shutdown()
    gone = ClusterObject("127.0.0.1:1", "hosts", HostsOfCluster)
    with pytest.raises(ClusterError):
        gone.ask("silence_left_s", "museum.example")
    gone.tell("release", "museum.example", "a connection")


def test_a_cluster_of_another_version_is_one_line(monkeypatch: pytest.MonkeyPatch, ray_cluster: SmallCluster):
    import ray

    def init(**_: Any) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1.0\n    Python: 3.9.1\n")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match=r"has another version than this machine \(Version mismatch: .* 2\.1\.0"):
        _without_cluster(engine_at(ray_cluster))


def _without_cluster(engine: RayEngine) -> None:
    import ray

    ray.shutdown()
    list(engine.map(pids, planned(IDS, IDS)))


def test_the_settings_choose_the_engine():
    assert engine_of(Settings(), print).is_local
    assert not engine_of(Settings(ray_address="auto"), print).is_local

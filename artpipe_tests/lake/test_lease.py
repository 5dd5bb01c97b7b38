"""The lock of a lake: one holder at a time, replaced where it went silent, and fenced."""

import http.client
import http.server
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pytest
from rich.console import Console
from upath import UPath

from artpipe.lake.generations import Generations, StoreWithoutConditionsError
from artpipe.lake.lease import HeldError, Holder, Lease, LeaseLostError, Lock, guarding
from artpipe.lake.lock import RefreshUnderWayError, lake_lock, refresh_lock, write_lock
from artpipe.lake.paths import DataLake, remove_file, write_whole
from artpipe_tests.fixtures.loopback_server import Quiet, running
from artpipe_tests.fixtures.s3_server import Bucket

HOLDER = """
import sys
from upath import UPath
from artpipe.lake.lease import LeaseLostError, Lock, guarding
from artpipe.lake.paths import write_whole

root = UPath(sys.argv[1])
with Lock("the lake", root / "locks" / "lake", float(sys.argv[2])).held("a refresh", print) as lease:
    with guarding(str(root), lease):
        print("held", flush=True)
        for line in sys.stdin:
            try:
                write_whole(root / "written.txt", line.encode())
                print("written", flush=True)
            except LeaseLostError as error:
                print(error, flush=True)
"""


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """Where a lake is."""
    if request.param == "folder":
        return UPath(tmp_path / "lake")
    bucket: Bucket = request.getfixturevalue("bucket")
    return UPath(f"{bucket.address}/" if request.param == "whole bucket" else f"{bucket.address}/lake")


def lock_in(root: UPath, silence_s: float = 60.0) -> Lock:
    return Lock(f"the lake {root}", root / "locks" / "lake", silence_s)


def refuse(other: Holder | None) -> None:
    raise AssertionError(f"{other and other.doing} is under way ({other})")


@contextmanager
def holder(root: UPath, silence_s: float) -> "Generator[subprocess.Popen[str]]":
    """Another process that holds the lock, and writes a file for each line that it is sent."""
    command = [sys.executable, "-c", HOLDER, str(root), str(silence_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def ask_to_write(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
    return process.stdout.readline()


def use_for_long(lease: Lease) -> None:
    for _ in range(100):
        lease.ensure_held()
        threading.Event().wait(0.05)


def as_of_another_machine(root: UPath) -> None:
    """Make the present holder one of which this machine cannot know whether it is alive."""
    generations = Generations(root / "locks" / "lake")
    number, content = generations.latest()
    generations.write(number, json.dumps(json.loads(content) | {"machine": "another"}).encode())


def test_of_several_that_count_at_once_none_loses_a_count(root: UPath):
    root.mkdir(parents=True, exist_ok=True)
    counter = root / "count"
    counter.write_text("0")

    def count() -> None:
        for _ in range(2):
            with lock_in(root, 1.2).held("a count", lambda _: None):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counter.read_text() == "6"
    assert len([*(root / "locks" / "lake").iterdir()]) == 1, "generations of the past are removed"


def test_one_that_waits_names_who_holds_it_what_for_and_since_when(root: UPath):
    heard: list[Holder] = []

    def waiting(other: Holder | None) -> None:
        assert other is not None
        heard.append(other)
        raise InterruptedError

    with lock_in(root).held("a refresh", refuse):
        assert lock_in(root).holder() is not None
        with pytest.raises(InterruptedError), lock_in(root).held("another", waiting):
            pass
    assert heard[0].doing == "a refresh"
    assert "process " in str(heard[0])
    assert ", since 20" in str(heard[0])
    assert lock_in(root).holder() is None


@pytest.mark.parametrize("root", ["folder"], indirect=True)
def test_a_killed_process_of_this_machine_is_replaced_at_once(root: UPath):
    with holder(root, 3600) as process:
        process.kill()
        process.wait()
        with lock_in(root, 3600).held("a refresh", refuse):
            pass


@pytest.mark.parametrize("root", ["folder"], indirect=True)
def test_a_stopped_process_of_this_machine_is_not_replaced(root: UPath):
    with holder(root, 0.4) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(HeldError), lock_in(root, 0.4).held("x", lambda _: None, patience_s=1.2):
            pass
        process.send_signal(signal.SIGCONT)
        assert ask_to_write(process, "after all") == "written\n"


@pytest.mark.parametrize("root", ["bucket"], indirect=True)
def test_a_silent_process_of_another_machine_is_replaced_after_the_time_of_silence(root: UPath):
    with holder(root, 0.6) as process:
        process.kill()
        process.wait()
        as_of_another_machine(root)
        heard: list[str] = []
        with lock_in(root, 0.6).held("a refresh", lambda other: heard.append(other.doing if other else "")):
            assert heard == ["a refresh"], "it waits first"


@pytest.mark.parametrize("root", ["folder"], indirect=True)
def test_a_holder_that_renews_its_lease_is_not_replaced(root: UPath):
    with holder(root, 0.8) as process:
        as_of_another_machine(root)
        taken = threading.Event()

        def take() -> None:
            with lock_in(root, 0.8).held("a refresh", lambda _: None):
                taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(2)
        process.kill()
        process.wait()
        thread.join(60)
        assert taken.is_set()


@pytest.mark.parametrize("root", ["bucket", "whole bucket"], indirect=True)
def test_one_that_was_replaced_writes_nothing_more(root: UPath):
    with holder(root, 0.6) as process:
        assert ask_to_write(process, "first") == "written\n"
        process.send_signal(signal.SIGSTOP)
        as_of_another_machine(root)
        with lock_in(root, 0.6).held("a refresh", lambda _: None):
            process.send_signal(signal.SIGCONT)
            assert "the lake was taken over by process" in ask_to_write(process, "second")
        assert (root / "written.txt").read_text() == "first\n"


@pytest.mark.parametrize("root", ["folder"], indirect=True)
def test_one_that_was_silent_and_not_replaced_goes_on(root: UPath):
    with holder(root, 0.4) as process:
        process.send_signal(signal.SIGSTOP)
        threading.Event().wait(0.8)
        process.send_signal(signal.SIGCONT)
        assert ask_to_write(process, "after all") == "written\n"
        with pytest.raises(AssertionError, match="a refresh is under way"), lock_in(root, 0.4).held("x", refuse):
            pass


def test_a_holder_that_renews_its_lease_sees_that_it_was_replaced_all_the_same(root: UPath):
    with lock_in(root, 0.8).held("a refresh", refuse) as lease:
        generations = Generations(root / "locks" / "lake")
        assert generations.create(generations.latest_number() + 1, Holder("another").content)
        with pytest.raises(LeaseLostError, match="taken over by process"):
            use_for_long(lease)


def test_a_holder_keeps_a_generation_that_it_created_without_hearing_of_it(root: UPath):
    with holder(root, 0.4) as process:
        generations = Generations(root / "locks" / "lake")
        process.send_signal(signal.SIGSTOP)
        threading.Event().wait(0.8)
        number, content = generations.latest()
        assert generations.create(number + 1, content)  # a request that was executed, and its answer lost
        process.send_signal(signal.SIGCONT)
        assert ask_to_write(process, "after all") == "written\n"


class LosesLease(io.BytesIO):
    """A content that takes so long to read that the lock is taken over."""

    def __init__(self, lease: Lease, generations: Generations) -> None:
        super().__init__(b"too late")
        self.lease, self.generations = lease, generations

    def read(self, size: int | None = -1, /) -> bytes:
        self.generations.create(self.generations.latest_number() + 1, Holder("another").content)
        with suppress(LeaseLostError):
            use_for_long(self.lease)
        return super().read(size)


def test_what_took_too_long_to_write_is_not_published(root: UPath):
    with lock_in(root, 0.4).held("a refresh", refuse) as lease, guarding(str(root), lease):
        content = LosesLease(lease, Generations(root / "locks" / "lake"))
        with pytest.raises(LeaseLostError):
            write_whole(root / "written.txt", content)
    assert not (root / "written.txt").exists()


def test_one_that_lost_the_lock_deletes_nothing(root: UPath):
    write_whole(root / "written.txt", b"kept")
    with lock_in(root, 0.4).held("a refresh", refuse) as lease, guarding(str(root), lease):
        generations = Generations(root / "locks" / "lake")
        generations.create(generations.latest_number() + 1, Holder("another").content)
        with suppress(LeaseLostError):
            use_for_long(lease)
        with pytest.raises(LeaseLostError):
            remove_file(root / "written.txt")
    assert (root / "written.txt").read_bytes() == b"kept"
    remove_file(root / "written.txt")
    remove_file(root / "written.txt")  # which is gone already
    assert not (root / "written.txt").exists()


class Interrupted(io.BytesIO):
    """A content that is there in part when Ctrl-C comes."""

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        if not part:
            raise KeyboardInterrupt
        return part


@pytest.mark.parametrize("root", ["folder", "bucket"], indirect=True)
@pytest.mark.parametrize("megabytes", [1, 51])  # in one request, and in parts
def test_an_interrupted_write_leaves_what_was_there(root: UPath, megabytes: int):
    write_whole(root / "written.txt", b"before")
    with pytest.raises(KeyboardInterrupt):
        write_whole(root / "written.txt", Interrupted(bytes(megabytes << 20)))
    assert (root / "written.txt").read_bytes() == b"before"


def test_a_lake_that_is_a_whole_bucket_is_listed_once(bucket: Bucket):
    lake = DataLake(f"{bucket.address}/")
    lake.raw("catalog").write_bytes(b"rows")
    bucket.requests.clear()
    with lake.listed():
        assert lake.raw("catalog").exists()
        assert not lake.lineage("images").exists()
    assert len(bucket.requests) == 1, bucket.requests


def test_nobody_waits_unasked_for_a_process_that_cannot_be_read(lake: DataLake):
    assert Generations(lake.root / "locks" / "lake").create(1, b"torn")
    output = io.StringIO()
    with (
        pytest.raises(RefreshUnderWayError, match=r"a write of .* is under way .by which process is unknown"),
        refresh_lock(lake, Console(file=output), wait=False),
    ):
        pass
    heard: list[Holder | None] = []
    with pytest.raises(HeldError), lock_in(lake.root, 60).held("x", heard.append, patience_s=0):
        pass
    assert heard == [None]


def test_the_lock_of_a_lake_can_be_held_again_within(lake: DataLake):
    with write_lock(lake, "a refresh", refuse), write_lock(lake, "a run", refuse):
        held = lake_lock(lake).holder()
        assert held is not None
        assert held.doing == "a refresh"
    assert lake_lock(lake).holder() is None


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to a store, and changes something on the way."""

    daemon_threads = True
    drops_conditions = False
    fails_after_writing = False
    refuses_conditions = False

    def __init__(self, store: str) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.store = urlsplit(store).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _ProxyHandler(Quiet, http.server.BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"  # which answers `Expect: 100-continue`

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        is_conditional = "If-None-Match" in headers
        if self.server.drops_conditions:
            headers.pop("If-None-Match", None)
        connection = http.client.HTTPConnection(self.server.store)
        is_refused = is_conditional and self.server.refuses_conditions
        connection.request("HEAD" if is_refused else self.command, self.path, body, headers)
        answer = connection.getresponse()
        status, content = answer.status, answer.read()
        if is_refused or (is_conditional and self.server.fails_after_writing):
            status, content = 400, b"<Error><Code>InvalidArgument</Code></Error>"
        self.send_response(status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "date", "server", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base class's names


@pytest.fixture
def proxy(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Generator[Proxy]:
    """A proxy before the store of `bucket`."""
    with running(Proxy(bucket.environment["AWS_ENDPOINT_URL"])) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        fsspec.filesystem("s3").clear_instance_cache()
        yield server
    fsspec.filesystem("s3").clear_instance_cache()


def test_a_store_that_ignores_conditions_is_refused_by_name(bucket: Bucket, proxy: Proxy):
    proxy.drops_conditions = True
    lake = DataLake(f"{bucket.address}/lake")
    with (
        pytest.raises(StoreWithoutConditionsError, match=rf"{bucket.address}/lake.*If-None-Match.*AWS S3, Ceph"),
        write_lock(lake, "a refresh", refuse),
    ):
        pass
    assert Generations(lake.root / "locks" / "lake").latest_number() == 0


def test_who_created_a_generation_is_read_there_whatever_the_store_answered(bucket: Bucket, proxy: Proxy):
    proxy.fails_after_writing = True  # as where a request is executed, and its answer lost
    generations = Generations(UPath(f"{bucket.address}/lake/locks/lake"))
    assert generations.create(1, b"mine")
    assert not generations.create(1, b"not mine")


def test_a_store_that_refuses_every_condition_is_given_up_with_what_it_answers(bucket: Bucket, proxy: Proxy):
    proxy.refuses_conditions = True
    with (
        pytest.raises(StoreWithoutConditionsError, match=r"it answers: .*Invalid"),
        lock_in(UPath(f"{bucket.address}/lake"), 0.6).held("a refresh", refuse),
    ):
        pass


def test_one_that_cannot_create_a_generation_is_patient_no_longer_than_it_was_asked(bucket: Bucket, proxy: Proxy):
    proxy.refuses_conditions = True
    with (
        pytest.raises(HeldError),
        lock_in(UPath(f"{bucket.address}/lake"), 0.6).held("a refresh", refuse, patience_s=0),
    ):
        pass


def test_a_lock_is_released_where_there_is_no_room_for_a_second_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock = lock_in(UPath(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with lock.held("a refresh", refuse):
        monkeypatch.setattr(Generations, "write", full)
    assert Holder.read(Generations(UPath(tmp_path) / "locks" / "lake").latest()[1]).is_released


def test_what_this_process_could_not_release_it_does_not_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    lock = lock_in(UPath(tmp_path))
    with monkeypatch.context() as patch, lock.held("a refresh", refuse):
        patch.setattr(Generations, "write", gone)
        patch.setattr(Generations, "write_in_place", gone)
        with pytest.raises(AssertionError, match="a refresh is under way"), lock.held("another", refuse):
            pass
    with lock.held("another", refuse):
        pass

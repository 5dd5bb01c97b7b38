"""Processes, and the drivers of a cluster, that ask one host keep the limits of one."""

import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from artpipe.crawler.client import GalleryClient, Outcome
from artpipe.crawler.cluster_limits import LEASE_S, QUEUED_S, HostsOfCluster
from artpipe.crawler.limits import HostPace
from artpipe.crawler.shared_limits import CLOCK_STEP_S, POLL_S, FilePace, shared_paces
from artpipe.lake.paths import DataLake
from artpipe.lake.scratch import host_folder
from artpipe.settings import Settings
from artpipe.sources.resources import GalleryResource


class AllTakenError(Exception):
    """There is no free connection."""


def refuse(_: float) -> None:
    raise AllTakenError


@pytest.fixture
def public_url(gallery):
    """An address of this machine that counts as a public one: loopback has no limits."""
    return gallery.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104


def test_starts_of_two_paces_are_spaced_as_those_of_one(tmp_path, fake_time):
    one, other = (FilePace(tmp_path, 0.25, 4, fake_time.clock) for _ in range(2))
    assert [one.claim(), other.claim(), one.claim(), other.claim()] == [0.0, 0.25, 0.5, 0.75]


def test_a_request_takes_the_time_that_its_own_pace_gives_it(tmp_path, fake_time):
    slow, quick = FilePace(tmp_path, 1.0, 4, fake_time.clock), FilePace(tmp_path, 0.25, 4, fake_time.clock)
    assert [quick.claim(), slow.claim(), quick.claim()] == [0.0, 0.25, 1.25]


def test_a_retry_after_told_to_one_holds_the_other_and_later_ones(tmp_path, fake_time):
    one, other = (FilePace(tmp_path, 0.5, 4, fake_time.clock) for _ in range(2))
    one.silence(10)
    assert (other.silence_left_s(), other.claim()) == (10, 10.0)
    fake_time.now += 4
    assert FilePace(tmp_path, 0.5, 4, fake_time.clock).silence_left_s() == 6


def test_a_schedule_of_a_clock_that_was_ahead_is_forgotten(tmp_path, fake_time):
    FilePace(tmp_path, 0.5, 4, fake_time.clock).silence(10)
    fake_time.now -= CLOCK_STEP_S
    assert FilePace(tmp_path, 0.5, 4, fake_time.clock).silence_left_s() == 10 + CLOCK_STEP_S
    fake_time.now -= CLOCK_STEP_S + 1
    assert FilePace(tmp_path, 0.5, 4, fake_time.clock).claim() == 0.0


@pytest.mark.parametrize("found", [b"", b"half a schedule"])
def test_a_schedule_that_was_not_written_whole_is_none(tmp_path, fake_time, found):
    (tmp_path / "schedule").write_bytes(found)
    assert FilePace(tmp_path, 0.5, 4, fake_time.clock).claim() == 0.0


def test_the_folder_may_be_emptied_meanwhile(tmp_path, fake_time):
    pace = FilePace(tmp_path / "host", 0.5, 4, fake_time.clock)
    (tmp_path / "host" / "schedule").unlink()
    (tmp_path / "host").rmdir()
    assert pace.claim() == 0.0


def test_two_clients_ask_at_the_pace_of_one(config, public_url, tmp_path, fake_time):
    def pace_of(_host: str, interval_s: float, connections: int) -> HostPace:
        return FilePace(tmp_path, interval_s, connections, fake_time.clock)

    asking = replace(config, base_url=public_url, requests_per_s=4)
    one, other = (GalleryClient(asking, fake_time.clock, fake_time.sleep, pace_of=pace_of) for _ in range(2))
    with one, other:
        for _ in range(2):
            one.get("/a.jpg")
            other.get("/b.jpg")
    # Each asked for robots.txt, too: six requests.
    assert fake_time.slept == [0.25] * 5


def test_two_clients_have_the_connections_of_one(gallery, config, public_url, reply, tmp_path):
    started, let_go, ended = threading.Event(), threading.Event(), list[str]()

    def keep_waiting(handler) -> None:
        started.set()
        let_go.wait(20)
        ended.append("first")
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def sleep(seconds: float) -> None:
        if seconds == POLL_S:
            let_go.set()

    gallery.on("/first.jpg", reply(write=keep_waiting))
    gallery.on("/second.jpg", reply(200, b"ok"))
    asking = replace(config, base_url=public_url, requests_per_s=10_000, concurrency=1)
    one, other = (GalleryClient(asking, sleep=sleep, pace_of=shared_paces(str(tmp_path), None)) for _ in range(2))
    with one, other:
        first = threading.Thread(target=one.get, args=["/first.jpg"])
        first.start()
        started.wait()
        assert other.get("/second.jpg").outcome is Outcome.OK
        ended.append("second")
        let_go.set()
        first.join()
    assert ended == ["first", "second"]


def test_refreshes_of_two_lakes_obey_what_either_is_told(gallery, public_url, reply, tmp_path):
    gallery.on("/a.jpg", reply(429, headers={"Retry-After": "3600"}))
    answers = []
    for name in ("one", "other"):
        settings = Settings(gallery=public_url, cache=str(tmp_path / "cache"), requests_per_s=10_000)
        with GalleryResource.of(settings).client(DataLake(tmp_path / name), settings=settings) as client:
            answers.append(client.get("/a.jpg"))
    assert all("0.0.0.0 requests a pause of 3," in answer.error for answer in answers)
    assert gallery.seen == ["/robots.txt", "/a.jpg"]


HOLDS_ALL = """
import sys
from pathlib import Path
from artpipe.crawler.shared_limits import FilePace

pace = FilePace(Path(sys.argv[1]), 1000.0, 1)
pace.claim()
with pace.connection(lambda _: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_is_killed_leaves_its_request_counted_and_its_connection_free(tmp_path):
    command = [sys.executable, "-c", HOLDS_ALL, str(tmp_path)]
    pace = FilePace(tmp_path, 0.0, 1)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AllTakenError), pace.connection(refuse):
            pass
        other.kill()
        other.wait()
        with pace.connection(refuse) as has_waited:
            assert not has_waited
    assert 0 < pace.claim() <= 1000


def test_who_waits_for_a_connection_gets_the_next_one(tmp_path):
    many, other = FilePace(tmp_path, 0.0, 1), FilePace(tmp_path, 0.0, 1)
    with ExitStack() as held:
        held.enter_context(many.connection(refuse))

        def while_waiting(_: float) -> None:
            held.close()
            # Whoever asks now is behind the one that waits.
            with pytest.raises(AllTakenError), many.connection(refuse):
                pass

        with other.connection(while_waiting) as has_waited:
            assert has_waited


def test_ports_are_hosts_of_their_own_and_schemes_are_not():
    names = ["wga.hu", "wga.hu:8080", "a" * 500, "a" * 501, "[::1]:80", "WGA.hu"]
    folders = [host_folder(name, "/cache") for name in names]
    assert len(set(folders)) == len(names)
    assert all(len(folder.name) < 100 and folder.parent == Path("/cache/hosts") for folder in folders)


def test_a_cache_that_cannot_be_written_leaves_each_process_its_own_pace(tmp_path, caplog):
    (tmp_path / "file").touch()
    pace = shared_paces(str(tmp_path / "file"), None)("wga.hu", 0.25, 4)
    assert type(pace) is HostPace
    assert "other processes that ask wga.hu now do so at a pace of their own" in caplog.text


def test_in_a_cluster_each_host_has_a_schedule_and_connections(fake_time):
    hosts = HostsOfCluster(fake_time.clock)
    assert [hosts.claim("a", 0.25), hosts.claim("a", 0.25), hosts.claim("b", 0.25)] == [0.0, 0.25, 0.0]
    hosts.silence("a", 10)
    assert (hosts.silence_left_s("a"), hosts.claim("a", 0.25), hosts.claim("b", 0.25)) == (10, 10.0, 0.25)
    assert [hosts.connect("a", "one", 1), hosts.connect("a", "two", 1), hosts.connect("b", "two", 1)] == [
        True,
        False,
        True,
    ]


def test_in_a_cluster_connections_go_to_who_waits_longest(fake_time):
    hosts = HostsOfCluster(fake_time.clock)
    assert [hosts.connect("a", each, 1) for each in ("one", "two", "three")] == [True, False, False]
    hosts.release("a", "one")
    assert [hosts.connect("a", each, 1) for each in ("three", "one", "two")] == [False, False, True]


def test_a_driver_that_died_holds_a_connection_and_a_turn_for_a_while_only(fake_time):
    hosts = HostsOfCluster(fake_time.clock)
    assert [hosts.connect("a", each, 1) for each in ("dead", "dead too", "alive")] == [True, False, False]
    fake_time.now += LEASE_S - QUEUED_S
    assert not hosts.connect("a", "alive", 1)
    fake_time.now += QUEUED_S
    assert hosts.connect("a", "alive", 1)

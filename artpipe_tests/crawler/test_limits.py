"""Request spacing, Retry-After and backoff, on a fake clock."""

import random
import threading

import pytest

from artpipe.crawler.limits import MAX_BACKOFF_S, HostPace, backoff_s, is_loopback, retry_after_s

WEDNESDAY = 1792567680.0  # Wed, 21 Oct 2026 07:28:00 GMT


def test_starts_are_spaced_by_the_interval(fake_time):
    pace = HostPace(0.25, fake_time.clock)
    assert [pace.claim() for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]


def test_unused_slots_are_not_accumulated(fake_time):
    pace = HostPace(1.0, fake_time.clock)
    pace.claim()
    fake_time.now += 100
    assert [pace.claim(), pace.claim()] == [0.0, 1.0]


def test_no_two_threads_get_the_same_start(fake_time):
    pace, waits = HostPace(1.0, fake_time.clock), list[float]()
    threads = [threading.Thread(target=lambda: waits.append(pace.claim())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [float(n) for n in range(20)]


def test_after_a_silence_starts_are_spaced_again(fake_time):
    pace = HostPace(0.5, fake_time.clock)
    pace.silence(10)
    pace.silence(3)
    assert pace.silence_left_s() == 10
    assert [pace.claim(), pace.claim()] == [10.0, 10.5]


def test_a_pause_is_drawn_below_a_bound_that_doubles():
    rng = random.Random(0)
    for failures, bound in ((1, 0.5), (2, 1.0), (3, 2.0), (20, MAX_BACKOFF_S)):
        draws = [backoff_s(failures, 0.5, rng) for _ in range(500)]
        assert 0 <= min(draws) < 0.1 * bound
        assert 0.9 * bound < max(draws) <= bound


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Wed, 21 Oct 2026 07:30:00 GMT", 120.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 5000, 999_999_999_999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after_s(header, WEDNESDAY) == seconds


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["www.wga.hu", "10.0.0.1", "0.0.0.0", "localhost.example.org", ""])  # noqa: S104
def test_another_machine_is_not_loopback(host):
    assert not is_loopback(host)

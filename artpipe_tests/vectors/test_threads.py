import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from artpipe.vectors import threads
from artpipe.vectors.threads import in_parts


@pytest.mark.parametrize(("rows", "parts_a_thread", "step"), [(1, 1, 1), (699, 1, 1), (3000, 8, 64), (2999, 3, 700)])
def test_every_row_is_in_one_part_however_many_threads_take_them(
    monkeypatch: pytest.MonkeyPatch, rows: int, parts_a_thread: int, step: int
):
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(threads, "cpu_count", lambda: 3)
    seen = np.zeros(rows, dtype=int)

    def count(part: slice) -> None:
        seen[part] += 1

    parts = in_parts(rows, count, parts_a_thread, step)
    assert (seen == 1).all()
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert all(part.start % step == 0 for part in parts)


@pytest.mark.parametrize("fails_here", [True, False])
def test_a_failure_of_any_part_is_raised_and_ends_the_work(monkeypatch: pytest.MonkeyPatch, fails_here: bool):
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 10)
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    here, both_at_work, raised = threading.get_ident(), threading.Barrier(2), threading.Event()
    done: list[slice] = []

    def work(part: slice) -> None:
        is_here = threading.get_ident() == here
        if len(done) < 2:
            done.append(part)
            both_at_work.wait(10)
        else:
            done.append(part)
        if is_here == fails_here:
            raise ArithmeticError("failed")
        if fails_here:
            raised.wait(10)  # the helper is still at its first part when the failure is raised

    with ThreadPoolExecutor(1) as helper:
        monkeypatch.setattr(threads, "_pool", lambda: helper)
        with pytest.raises(ArithmeticError, match="failed"):
            in_parts(1000, work, parts_a_thread=50)
        raised.set()
    assert len(done) == (2 if fails_here else 100)

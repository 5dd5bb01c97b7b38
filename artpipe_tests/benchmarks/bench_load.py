"""How long the code location takes to load, compared with an empty Dagster project; both in new processes, in turn.

    python artpipe_tests/benchmarks/bench_load.py [--runs 7]

Prints one JSON line; `ratio` is the median over the turns of ours / empty.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

EMPTY = "import dagster as dg; defs = dg.Definitions()"


def seconds(code: str, compiled: str) -> float:
    """The seconds of a new process; modules compiled before lie in `compiled`, as on a machine in use."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    started = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    ours, empty = [], []
    with tempfile.TemporaryDirectory() as compiled:
        for turn in range(runs + 1):
            a, b = seconds(EMPTY, compiled), seconds("import artpipe.definitions", compiled)
            if turn:  # the first turn compiles, and warms the disk cache
                empty.append(a)
                ours.append(b)
    ratio = statistics.median(o / e for o, e in zip(ours, empty, strict=True))
    print(json.dumps({
        "what": "load", "runs": runs, "empty_s": round(statistics.median(empty), 2),
        "artpipe_s": round(statistics.median(ours), 2), "ratio": round(ratio, 3),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

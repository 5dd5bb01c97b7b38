"""Two commands that start at the same time on a lake that does not exist yet, many times.

Each time a pair of commands is drawn, some of which create the Dagster home and the lake. Both must end with exit code
0, or 2 with one line that says why (there is no lake yet, somebody else refreshes), and without a traceback; servers
must come up. Dagster's own programs want a home that exists, so `artpipe status` runs before them, as the documentation
says. Then `artpipe refresh --select artworks` and `artpipe status` must end with 0 on what they left. The exit
code is 1 where something does not.

    python artpipe_tests/benchmarks/meeting_commands.py --times 20 --seed 0
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # artpipe_tests is not installed

from artpipe.orchestration.home import DAGSTER_YAML
from artpipe.sample_gallery.server import serving
from artpipe.sample_gallery.site import write_sample_site
from artpipe_tests.fixtures.dagster_dev import free_port

ARTPIPE = (sys.executable, "-m", "artpipe.cli")
COMMANDS = {
    "refresh": (*ARTPIPE, "refresh", "--select", "+artworks"),
    "status": (*ARTPIPE, "status"),
    "info": (*ARTPIPE, "info"),
    "serve": (*ARTPIPE, "serve", "--port", "PORT"),
    "models": (*ARTPIPE, "models"),
    "labels": (*ARTPIPE, "labels", "set", "a/b/c", "type", "portrait"),
    "dagster dev": (
        str(Path(sys.executable).with_name("dagster")),
        *("dev", "-w", str(DAGSTER_YAML.with_name("workspace.yaml")), "-p", "PORT"),
    ),
    "materialize": (
        str(Path(sys.executable).with_name("dagster")),
        *("asset", "materialize", "-m", "artpipe.definitions", "--select", "raw_catalog"),
    ),
}
DAGSTERS = {"dagster dev", "materialize"}
LIMIT_S = 300


class Command:
    """One command, started."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name, self.port, self.log = name, free_port(), folder / f"{name.replace(' ', '_')}_{time.time_ns()}.log"
        words = [word.replace("PORT", str(self.port)) for word in COMMANDS[name]]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def problem(self) -> str:
        """What was wrong with how it ended, or came up; "" where nothing was."""
        until = time.monotonic() + LIMIT_S
        while self.process.poll() is None and time.monotonic() < until:
            if "PORT" in COMMANDS[self.name] and self._answers():
                break
            time.sleep(0.3)
        is_up = self.process.poll() is None
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if is_up:
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code, printed = self.process.wait(), self.log.read_text(errors="replace")
        if "Traceback" in printed:
            return f"{self.name}: {printed[-1500:]}"
        if is_up:
            return "" if "PORT" in COMMANDS[self.name] else f"{self.name} did not end"
        return "" if code in (0, 2) else f"{self.name} ended with {code}: {printed[-1500:]}"

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"http://127.0.0.1:{self.port}/", timeout=5).status_code < 500
        return False


def main() -> int:
    """Run it; 0 where every meeting went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder, chance = Path(tempfile.mkdtemp(prefix="artpipe-meeting-")), random.Random(options.seed)
    pairs = list(itertools.combinations_with_replacement(COMMANDS, 2))
    chance.shuffle(pairs)
    write_sample_site(folder / "site", artworks=60)
    problems: list[str] = []
    with serving(folder / "site") as site:
        for number, pair in enumerate(itertools.islice(itertools.cycle(pairs), options.times)):
            here = folder / str(number)
            here.mkdir()
            environment = {
                **os.environ,
                "ARTPIPE_LAKE": str(here / "lake"),
                "ARTPIPE_GALLERY": site.url,
                "DAGSTER_HOME": str(here / "lake" / "dagster"),
            }
            found: list[str] = []
            if not DAGSTERS.isdisjoint(pair) and (problem := Command("status", here, environment).problem()):
                found.append(problem)
            started = [Command(name, here, environment) for name in pair]
            found += [problem for command in started if (problem := command.problem())]
            for after in ("refresh", "status"):
                command = Command(after, here, environment)
                found += [problem] if (problem := command.problem()) else []
                found += [f"{after} afterwards: {command.log.read_text()[-800:]}"] if command.process.returncode else []
            print(f"{number + 1:3} {' and '.join(pair)}: {found or 'right'}", flush=True)
            problems += found
            if not found:
                shutil.rmtree(here)
    print(json.dumps({"benchmark": "meeting_commands", "right": not problems, "times": options.times}))
    if not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

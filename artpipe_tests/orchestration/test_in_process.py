import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, signal, sys, time
from pathlib import Path

import dagster as dg

from artpipe.orchestration.in_process import execute_in_this_process
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings


def blocks_interrupts(process):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return bool(int(status["SigBlk"], 16) & 1 << signal.SIGINT - 1)


@dg.asset
def long():
    helpers = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found.extend([len(helpers), *{blocks_interrupts(process) for process in helpers}, blocks_interrupts("self")])
    os.killpg(0, signal.SIGINT)  # as a terminal does
    time.sleep(60)


found = []
with open_instance(Settings(lake=sys.argv[1])) as instance:
    try:
        execute_in_this_process(dg.Definitions([long], executor=dg.in_process_executor), instance, ["long"], {})
    except BaseException as error:
        found.append(type(error).__name__)
print(found)
"""


def test_ctrl_c_in_a_terminal_reaches_the_run_and_none_of_the_processes_that_mirror_its_output(tmp_path: Path):
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    assert process.stdout == "[4, True, False, 'DagsterExecutionInterruptedError']\n"
    assert "Traceback" not in process.stderr

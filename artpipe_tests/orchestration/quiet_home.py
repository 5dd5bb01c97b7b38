"""A Dagster home for tests."""

import json
from pathlib import Path

from artpipe.orchestration.dagster_private import NO_COMPUTE_LOGS
from artpipe.orchestration.home import DAGSTER_YAML


def write_quiet_home(lake: Path) -> None:
    """Write the Dagster home of a lake so that nothing that steps print is kept.

    Keeping it starts four processes for every run, and no test looks at it.
    """
    home = lake / "dagster"
    home.mkdir(parents=True)
    compute_logs = {"module": NO_COMPUTE_LOGS, "class": "NoOpComputeLogManager"}
    (home / "dagster.yaml").write_text(f"{DAGSTER_YAML.read_text()}\ncompute_logs: {json.dumps(compute_logs)}\n")

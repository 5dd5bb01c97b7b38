"""Every step of the graph run again, stale or not, as Dagster's "Materialize all" does."""

import json
import subprocess
import sys

AGAIN = """
import json, sys
import dagster as dg
from artpipe.definitions import build_definitions
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings

settings = Settings(**json.loads(sys.argv[1]))
with open_instance(settings) as instance:
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance)
made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
found = {one.asset_key.to_user_string(): {name: value.value for name, value in one.metadata.items()} for one in made}
reused = sorted(name for name, metadata in found.items() if metadata.get("reused"))
work = ("bodies", "images_fetched", "images_decoded", "images_embedded", "rows_updated")
done = sum(int(metadata.get(name) or 0) for metadata in found.values() for name in work)
print(json.dumps({"made": sorted(found), "reused": reused, "work": done, "torch": "torch" in sys.modules}))
"""


def test_what_would_come_out_as_it_is_does_no_work_and_loads_no_network(upkeep):
    settings = upkeep.settings().model_dump_json(exclude_unset=True)
    done = subprocess.run([sys.executable, "-c", AGAIN, settings], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert len(result["made"]) == 26
    assert set(result["made"]) - set(result["reused"]) == {"raw_artists", "raw_catalog"}
    assert (result["work"], result["torch"]) == (0, False)

"""What is deployed agrees with the code: the image, the services of Compose, the values for Dagster's chart."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DAGSTER = ROOT / "artpipe/orchestration/dagster.yaml"


def test_the_values_for_dagsters_chart_are_the_whole_configuration_of_an_instance():
    values = yaml.safe_load((ROOT / "deploy/kubernetes/dagster-values.yaml").read_text())
    expected = yaml.safe_load(DAGSTER.read_text())
    assert {"telemetry": values["telemetry"], **values["additionalInstanceConfig"]} == expected
    version = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("dagster=="))
    assert f"--version {version.removeprefix('dagster==')} " in (ROOT / "docs/deploy.md").read_text()


def test_the_ray_cluster_has_the_image_the_secrets_and_the_version_of_the_rest():
    web = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/web.yaml").read_text()))
    (of_web,) = next(one for one in web if one["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    cluster, policy = yaml.safe_load_all((ROOT / "deploy/kubernetes/ray.yaml").read_text())
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == of_web["image"]
        assert container["envFrom"] == of_web["envFrom"]
        assert "wget" not in str(container["livenessProbe"])
    assert f"ray=={cluster['spec']['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()
    assert "--extra ray" in DOCKERFILE
    assert policy["spec"]["podSelector"]["matchLabels"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    assert f"{cluster['metadata']['name']}-head-svc:10001" in (ROOT / "docs/cluster.md").read_text()


def test_what_the_image_copies_is_in_its_context():
    context = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    files = [name for names in copied for name in names if "--from=build" not in names and not name.startswith("--")]
    assert files
    assert [name for name in files if f"!{name.removeprefix('./')}" not in context] == []
    assert all((ROOT / name).exists() for name in files)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_no_secret_in_its_environment_and_is_reached_from_this_machine_alone(name: str):
    service = SERVICES[name]
    environment = service.get("environment", {})
    assert [key for key in environment if re.search("PASSWORD|SECRET", key) and not key.endswith("_FILE")] == []
    files = [value.removeprefix("/run/secrets/") for key, value in environment.items() if key.endswith("_FILE")]
    assert sorted(files) == sorted(service.get("secrets", []))
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "latest" not in service["image"]
    assert "healthcheck" in service or service["restart"] == "on-failure"


def test_visitors_reach_no_process_that_has_the_password_of_the_database_or_writes_to_the_lake():
    web = SERVICES["web"]
    assert "postgres_password" not in web["secrets"]
    assert "lake:/lake:ro" in web["volumes"]


def run_with_secrets(folder: Path, command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder / "tmp"), **variables}
    return subprocess.run(
        [ROOT / "deploy/with-secrets", "sh", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_has_the_secrets_of_its_files(tmp_path: Path):
    password, empty, other = tmp_path / "password", tmp_path / "empty", tmp_path / "other"
    password.write_text("p $(id) 'q' \"r\"\n")
    empty.touch()
    other.write_text("other")
    done = run_with_secrets(
        tmp_path,
        'printf %s "$PGPASSWORD"; echo "|${AWS_ACCESS_KEY_ID-unset}|${OTHER-unset}|${PGPASSWORD_FILE-unset}"',
        PGPASSWORD_FILE=str(password),
        AWS_ACCESS_KEY_ID_FILE=str(empty),
        OTHER_FILE=str(other),
    )
    assert done.stdout == "p $(id) 'q' \"r\"|unset|unset|unset\n"
    assert (tmp_path / "tmp").is_dir()


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path):
    done = run_with_secrets(tmp_path, "true", PGPASSWORD_FILE="/nowhere/password")
    assert done.returncode == 2
    assert done.stderr.startswith("artpipe: PGPASSWORD_FILE=/nowhere/password cannot be read by user ")

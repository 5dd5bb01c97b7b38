"""The services of compose.yaml as processes: their very commands, environment, volumes and health checks.

Where images cannot be built or pulled, this shows what does not depend on Docker: a network namespace has the names of
the services, and each process has a mount namespace with its volumes, secrets and configs where Compose puts them, a
root that it cannot write to, and no capabilities. It does not try users, limits of memory, or the networks of Compose.

The daemon makes a first collection, the web app answers from it, the schedule ticks, and a refresh by hand finds
nothing to do. The exit code is 1 where something of it does not come about.

    make deploy-checks && sudo .venv/bin/python artpipe_tests/benchmarks/compose_services.py [--profile s3]

Needs Linux, root, Postgres of this machine, and the s3 extra for the profile.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # artpipe_tests is not installed

from artpipe_tests.fixtures.postgres import postgres_programs  # noqa: E402
from artpipe_tests.fixtures.small_training import SMALL_TRAINING  # noqa: E402

LIMIT_S = 1800
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_IN_NAMESPACE = "ARTPIPE_COMPOSE_SERVICES_IN_NAMESPACE"
SETTINGS = {"sample_artworks": 60, "same_painting": "false", "rescrape_cron": "*/5 * * * *", **SMALL_TRAINING}
FOR_S3 = {"ARTPIPE_LAKE": "s3://artpipe/lake", "AWS_ENDPOINT_URL": "http://s3:9000", "AWS_ALLOW_HTTP": "true"}


class Services:
    """The services of a project folder, started one after another; their volumes and logs lie in `state`."""

    def __init__(self, project: Path, state: Path, profile: str | None) -> None:
        self.project, self.state, self.running = project, state, dict[str, subprocess.Popen[bytes]]()
        command = [ROOT / "build/deploy/bin/docker-compose", *(["--profile", profile] if profile else [])]
        found = subprocess.run([*command, "config", "--format", "json"], cwd=project, check=True, capture_output=True)
        self.config: dict[str, Any] = json.loads(found.stdout)
        self.services: dict[str, dict[str, Any]] = self.config["services"]
        self.made = [self._mount_point(path) for path in ("/lake", "/etc/artpipe", "/etc/dagster", "/opt/dagster")]
        self.made += [self._mount_point(path) for path in ("/var/lib/artpipe", "/run/secrets")]
        home = state / "image"
        (home / "storage").mkdir(parents=True)
        yaml = [ROOT / "artpipe/orchestration" / name for name in ("dagster.yaml", "postgres.yaml")]
        (home / "dagster.yaml").write_text("".join(path.read_text() for path in yaml))
        stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
        environment = re.search(r"^ENV ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
        assert environment is not None
        self.of_image = dict(pair.split("=", 1) for pair in shlex.split(environment[1].replace("\\\n", " ")))
        self.of_image["PATH"] = f"{ROOT / 'deploy'}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        self.of_image["PYTHONPATH"] = str(ROOT)

    def start(self, name: str) -> None:
        """Start a service, and wait until its health check passes."""
        service = self.services[name]
        command = [*(service["entrypoint"] or []), *service["command"]]
        if name == "postgres":
            command = self._postgres(command)
        elif not service["entrypoint"]:
            command = ["with-secrets", *command]
        log = (self.state / f"{name}.log").open("wb")
        began = time.monotonic()
        self.running[name] = subprocess.Popen(
            self._in_container(name, command), env=self._environment(name), stdout=log, stderr=subprocess.STDOUT
        )
        if service["restart"] == "on-failure":
            assert self.running.pop(name).wait(300) == 0, self.log(name)
        elif name != "web":
            self.wait(f"{name} to be healthy", lambda: self.is_healthy(name))
        print(f"{name}: {shlex.join(command)}\n  up after {time.monotonic() - began:.0f} s", flush=True)

    def is_healthy(self, name: str) -> bool:
        """Whether the health check of compose.yaml passes."""
        assert self.running[name].poll() is None, self.log(name)
        check = self.services[name]["healthcheck"]["test"]
        assert check[0] == "CMD"
        return self.execute(name, *check[1:]).returncode == 0

    def execute(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """What `docker compose exec` does."""
        return subprocess.run(
            self._in_container(name, list(command)),
            env=self._environment(name),
            capture_output=True,
            text=True,
            check=False,
        )

    def wait(self, what: str, is_so: Callable[[], object]) -> float:
        """Wait until something is so, while every service runs; the seconds that it took."""
        began = time.monotonic()
        while not is_so():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            assert time.monotonic() - began < LIMIT_S, f"waited in vain for {what}"
            time.sleep(2)
        return time.monotonic() - began

    def log(self, name: str) -> str:
        return (self.state / f"{name}.log").read_text()[-3000:]

    def stop(self) -> None:
        """End all, the last one first."""
        for name, process in reversed(self.running.items()):
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)  # as the images say
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        for folder in reversed([path for paths in self.made for path in paths]):
            folder.rmdir()

    def _environment(self, name: str) -> dict[str, str]:
        return {
            **self.of_image,
            **{key: value or "" for key, value in self.services[name].get("environment", {}).items()},
        }

    def _in_container(self, name: str, command: list[str]) -> list[str]:
        """A command in a mount namespace as the service has it."""
        service, lines = self.services[name], ["set -e", f"mount --bind {self.state / 'image'} /opt/dagster"]
        for volume in service.get("volumes", []):
            source = self.state / volume["source"] if volume["type"] == "volume" else Path(volume["source"])
            source.mkdir(parents=True, exist_ok=True)
            lines.append(f"mkdir -p {volume['target']}; mount --bind {source} {volume['target']}")
            if volume.get("read_only"):
                lines.append(f"mount -o remount,ro,bind {volume['target']}")
        lines += [f"mount -t tmpfs tmpfs {one.partition(':')[0]}" for one in service.get("tmpfs", [])]
        lines.append("mount -t tmpfs tmpfs /run/secrets")
        for secret in service.get("secrets", []):
            file = self.config["secrets"][secret["source"]]["file"]
            lines.append(f"cp {shlex.quote(file)} {secret['target']}")
        lines.append("mount -t tmpfs tmpfs /etc/dagster")
        for one in service.get("configs", []):
            content = self.config["configs"][one["source"]]["content"]
            lines.append(f"printf %s {shlex.quote(content)} > {one['target']}")
        if service.get("read_only"):
            lines.append("mount -o remount,ro,bind /")
        drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if "cap_drop" in service else []
        folder = "/var/lib/artpipe" if "cap_drop" in service else "/"
        lines.append(f"cd {folder}; exec {shlex.join([*drop, *command])}")
        return ["unshare", "--mount", "sh", "-c", "\n".join(lines)]

    def _postgres(self, command: list[str]) -> list[str]:
        """What the entrypoint of the image of Postgres does: make the database, and serve it as another user."""
        programs, data = postgres_programs(), self.state / "postgres"
        assert programs is not None, "there is no Postgres here"
        environment = self.services["postgres"]["environment"]
        data.mkdir()
        shutil.chown(data, "postgres")
        secret = self.state / "postgres_password"
        shutil.copy(self.config["secrets"]["postgres_password"]["file"], secret)
        shutil.chown(secret, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "env", f"PGDATA={data}"]
        login = ["-U", environment["POSTGRES_USER"], "-A", "scram-sha-256", "--pwfile", str(secret)]
        subprocess.run([*as_user, programs / "initdb", *login], check=True, capture_output=True)
        single = [*as_user, programs / "postgres", "--single", "-D", str(data), "postgres"]
        database = f"CREATE DATABASE {environment['POSTGRES_DB']};"
        subprocess.run(single, input=database, text=True, check=True, capture_output=True)
        return [*as_user, str(programs / command[0]), *command[1:], "-k", str(data)]

    @staticmethod
    def _mount_point(path: str) -> list[Path]:
        """Make a folder to mount on, as the image has it; what was made, the outermost first."""
        missing = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()][::-1]
        for folder in missing:
            folder.mkdir()
        return missing


def graphql(query: str) -> Any:
    """The value of the query's one field, from the webserver."""
    answer = requests.post("http://127.0.0.1:3000/graphql", json={"query": query}, timeout=60).json()
    return next(iter(answer["data"].values()))


def ticks_with_runs() -> list[str]:
    """The runs that ticks of the schedule have requested."""
    found = graphql(
        """{scheduleOrError(scheduleSelector: {repositoryName: "__repository__", repositoryLocationName: "artpipe",
        scheduleName: "weekly_rescrape"}) {... on Schedule {scheduleState {ticks(limit: 20) {status runIds}}}}}"""
    )
    return [run for tick in found["scheduleState"]["ticks"] if tick["status"] == "SUCCESS" for run in tick["runIds"]]


def has_made_everything() -> bool:
    """Whether no run is under way, and the last tick of the automation found everything fresh."""
    found = graphql(
        """{sensorOrError(sensorSelector: {repositoryName: "__repository__", repositoryLocationName: "artpipe",
        sensorName: "follow_changes"}) {... on Sensor {sensorState {ticks(limit: 1) {skipReason}}}}}"""
    )
    return [tick["skipReason"] for tick in found["sensorState"]["ticks"]] == ["everything is fresh"]


def drive(services: Services, profile: str | None) -> None:
    """Start all, and do what people do."""
    for name in ["postgres", *(["s3", "bucket"] if profile else []), "code", "daemon", "webserver", "web"]:
        services.start(name)
    seconds = services.wait("the web app to have a collection", lambda: services.is_healthy("web"))
    print(f"the first collection is served after {seconds:.0f} s", flush=True)
    seconds = services.wait("the automation to rest", has_made_everything)
    print(f"everything is fresh after {seconds:.0f} s more", flush=True)
    web = "http://127.0.0.1:8500"
    services.wait("the model", lambda: requests.get(f"{web}/api/readyz", timeout=60).status_code == 200)
    work = requests.get(f"{web}/api/search?size=1", timeout=60).json()["hits"][0]["artwork_id"]
    picture = requests.get(f"{web}/images/{work}.jpg", timeout=60).content
    answer = requests.post(f"{web}/api/search", files={"picture": picture}, timeout=60).json()
    found = [hit["artwork_id"] for hit in answer["hits"]]
    assert work in found, "after one epoch, works look alike, but not as alike as that"
    print(f"a query: {answer['total']} hits, the picture's own work is number {found.index(work) + 1}", flush=True)
    services.wait("a tick of the schedule", ticks_with_runs)
    print(f"the schedule ticked: run {ticks_with_runs()[0]}", flush=True)
    services.wait("the automation to rest", has_made_everything)
    done = services.execute("code", "with-secrets", "artpipe", "refresh", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    made = set(report["ran"]) - set(report["reused"])
    print(f"a refresh by hand ran {report['ran']} and made {sorted(made)}", flush=True)
    assert "classifier" not in made
    assert not list((services.state / "lake").glob("dagster*")), "Dagster's records are in Postgres"
    print("healthy:", ", ".join(name for name in services.running if services.is_healthy(name)), flush=True)


def main() -> int:
    """Run all in a network namespace that has the names of the services."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=["s3"], help="also the services of this profile; the lake is a bucket")
    arguments = parser.parse_args()
    if _IN_NAMESPACE not in os.environ:
        command = ["unshare", *_NAMESPACES, sys.executable, *sys.argv]
        os.execvpe(command[0], command, {**os.environ, _IN_NAMESPACE: "1"})  # noqa: S606
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="artpipe-compose-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        hosts = folder / "hosts"
        hosts.write_text("127.0.0.1 localhost postgres code daemon webserver web s3\n")
        subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
        project = folder / "project"
        project.mkdir()
        for file in ("compose.yaml", "Makefile"):
            shutil.copy(ROOT / file, project)
        subprocess.run(["make", "--silent", "deploy/secrets", f"PYTHON={sys.executable}"], cwd=project, check=True)
        lines = [f"ARTPIPE_{key.upper()}={value}" for key, value in SETTINGS.items()]
        if arguments.profile:
            lines += [f"{key}={value}" for key, value in FOR_S3.items()]
            for key in ("access", "secret"):
                secret = project / f"deploy/secrets/s3_{key}_key"
                secret.write_text("for tests")
        (project / ".env").write_text("\n".join(lines) + "\n")
        services = Services(project, folder / "state", arguments.profile)
        try:
            drive(services, arguments.profile)
        except AssertionError as error:
            print(f"failed: {error}", file=sys.stderr)
            for service in services.running:
                print(f"--- {service}\n{services.log(service)}", file=sys.stderr)
            return 1
        finally:
            services.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a lake in a bucket costs: requests, megabytes and seconds, beside the same lake in a folder.

    python artpipe_tests/benchmarks/bench_bucket.py [--works 160]

Makes the lake of a drawn gallery twice, in a folder and in a bucket of moto's S3 server on loopback, which counts. Each
row is a new process. Prints one JSON line for each.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SMALL = {
    "ARTPIPE_BACKBONE": "test_efficientnet",
    "ARTPIPE_EPOCHS": "2",
    "ARTPIPE_TRAIN_IMAGE_PX": "64",
    "ARTPIPE_EMBEDDING_DIMENSIONS": "32",
}
KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
REMOVE = "import sys; from upath import UPath; UPath(sys.argv[1]).joinpath('index/same_painting.json').unlink()"


class Counted:
    """A WSGI application whose requests and bytes, both ways, are counted."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application, self._lock = application, threading.Lock()
        self.requests = self.sent_bytes = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = list(self._application(environ, start_response))
        with self._lock:
            self.requests += 1
            self.sent_bytes += int(environ.get("CONTENT_LENGTH") or 0) + sum(map(len, answer))
        return answer


def serve(within: Callable[[Counted], Any] = lambda counted: counted) -> tuple[str, Counted]:
    """Serve S3 on loopback in a thread; its address, and what counts.

    Args:
        within: wraps the application.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    counted = Counted(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, within(counted), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.port}", counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", type=int, default=160)
    works = parser.parse_args().works
    url, counted = serve()
    os.environ.update(KEYS, AWS_ENDPOINT_URL=url)
    import fsspec

    fsspec.filesystem("s3").mkdir("bench")
    artpipe = [sys.executable, "-m", "artpipe.cli"]
    steps = {
        "first refresh": [*artpipe, "refresh"],
        "nothing changed": [*artpipe, "refresh"],
        "nothing changed, again": [*artpipe, "refresh"],
        "status": [*artpipe, "status"],
        "": [sys.executable, "-c", REMOVE],
        "match threshold": [*artpipe, "refresh", "--select", "local_features", "--force"],
    }
    with tempfile.TemporaryDirectory() as folder:
        for lake in (str(Path(folder, "lake")), "s3://bench/lake"):
            environment = {**os.environ, **SMALL, "ARTPIPE_LAKE": lake, "ARTPIPE_CACHE": folder}
            environment["ARTPIPE_SAMPLE_ARTWORKS"] = str(works)
            for name, command in steps.items():
                counted.requests = counted.sent_bytes = 0
                began = time.monotonic()
                arguments = command if name else [*command, lake]
                subprocess.run(arguments, env=environment, check=True, capture_output=True)
                row = {
                    "lake": "bucket" if "://" in lake else "folder",
                    "what": name,
                    "seconds": round(time.monotonic() - began, 1),
                    "requests": counted.requests,
                    "mb": round(counted.sent_bytes / 1e6, 2),
                }
                if name:
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

import shutil
import socket

import pytest

from artpipe.errors import PortTakenError
from artpipe.lake.paths import DataLake, LakeMissingError
from artpipe.web.config import WebConfig
from artpipe.web.serve import serve


def test_a_server_uses_one_thread_of_the_linear_algebra_per_request(web_lake, monkeypatch: pytest.MonkeyPatch):
    import uvicorn
    from threadpoolctl import threadpool_info

    threads: list[int] = []

    def run(_: uvicorn.Server, sockets: list) -> None:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(web_lake, WebConfig(), host="127.0.0.1", port=0, device="cpu", write_line=lambda _: None)
    assert set(threads) == {1}


def test_a_server_may_wait_for_a_first_collection(tmp_path, twelve_works, monkeypatch: pytest.MonkeyPatch):
    import uvicorn

    lake, lines = DataLake(tmp_path / "lake"), []
    with pytest.raises(LakeMissingError):
        serve(lake, WebConfig(), host="127.0.0.1", port=0, device="cpu")
    monkeypatch.setattr(uvicorn.Server, "run", lambda _, sockets: sockets[0].close())
    monkeypatch.setattr("time.sleep", lambda _: shutil.copytree(twelve_works, tmp_path / "lake"))
    serve(lake, WebConfig(), host="127.0.0.1", port=0, device="cpu", waits=True, write_line=lines.append)
    assert lines[0].startswith("Waiting for a first collection: there is no data lake at")
    assert lines[1].startswith("The collection is at")


def test_a_taken_port_is_an_error_that_names_the_option(web_lake):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"cannot bind 127.0.0.1:{port}.*--port"):
            serve(web_lake, WebConfig(), host="127.0.0.1", port=port, device="cpu", write_line=lambda _: None)

"""Stores behind a web server (with and without Range requests) and in an S3 bucket."""

from __future__ import annotations

import functools
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator


class Plain(SimpleHTTPRequestHandler):
    """Serves whole files; a folder is not listed."""

    def log_message(self, *_: Any) -> None:
        pass

    def list_directory(self, path: Any) -> None:
        self.send_error(404)


class Ranged(Plain):
    """Honours Range requests."""

    def do_GET(self) -> None:
        asked = re.match(r"bytes=(\d*)-(\d*)$", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first = int(asked[1]) if asked[1] else len(data) - int(asked[2])
        last = int(asked[2]) if asked[1] and asked[2] else len(data) - 1
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


@pytest.fixture(params=[Ranged, Plain], ids=["range", "no range"])
def url(store: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    yield from serve(store, request.param)


def serve(folder: Path, handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder.parent))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{folder.name}"
    finally:
        server.shutdown()
        server.server_close()


def same_as_local(store: Path, remote: str) -> None:
    with Section.open(store) as local, Section.open(remote) as section:
        assert section.name == local.name
        assert section.contents.chosen == local.contents.chosen
        assert section.observations is not None
        assert local.observations is not None
        np.testing.assert_array_equal(section.observations.xy, local.observations.xy)
        np.testing.assert_array_equal(section.gene("g3"), local.gene("g3"))
        np.testing.assert_array_equal(section.gene("CD19"), local.gene("CD19"))
        assert list(section.values("layer")) == list(local.values("layer"))
        there, here = (s.images["he"].slide.read(30, 40, 0, 50, 60) for s in (section, local))
        np.testing.assert_array_equal(there, here)
        assert [e.name for e in section.elements] == [e.name for e in local.elements]
        listed = {e.name: e for e in section.elements}
        assert len(listed["tx"].load().compute()) == 50  # type: ignore[attr-defined]
        assert len(listed["cells"].load()) == 8  # type: ignore[arg-type]
        assert listed["tx"].count is None


def test_over_http(store: Path, url: str) -> None:
    same_as_local(store, url)


def test_without_consolidated_metadata_a_web_server_is_not_enough(copy: Path) -> None:
    import json

    root = copy / "zarr.json"
    document = json.loads(root.read_text())
    del document["consolidated_metadata"]
    root.write_text(json.dumps(document))
    for address in serve(copy, Ranged):
        with pytest.raises(CannotOpenError, match="no consolidated metadata"):
            Section.open(address)


def test_out_of_reach(store: Path) -> None:
    addresses = serve(store, Plain)
    base = next(addresses).rsplit("/", 1)[0]
    with pytest.raises(CannotOpenError, match="no known format at this address"):
        Section.open(f"{base}/nothing.zarr")
    addresses.close()  # type: ignore[attr-defined]
    with pytest.raises(CannotOpenError, match="cannot be reached"):
        Section.open(f"{base}/nothing.zarr")


def test_in_a_bucket(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import boto3
    from fsspec.config import conf

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        endpoint = f"http://{host}:{port}"
        monkeypatch.setitem(conf, "s3", {"endpoint_url": endpoint})
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="sections")
        for file in store.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "sections", f"x.zarr/{file.relative_to(store)}")
        shutil.copytree(store, tmp_path / "x.zarr")
        same_as_local(tmp_path / "x.zarr", "s3://sections/x.zarr")
    finally:
        server.stop()

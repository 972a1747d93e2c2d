import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from framewire.errors import ConfigurationError, PeerError
from framewire.sources import open_source, web


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class Half(BaseHTTPRequestHandler):
    """Promises the whole file, sends the first part of it and hangs until the test is over."""

    content = b""
    part = 0
    over = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: self.part])
        self.wfile.flush()
        self.over.wait(20)

    def log_message(self, *arguments: object) -> None:
        pass


def serve(handler: object) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def site(street: Path) -> Iterator[str]:
    yield from serve(partial(Quiet, directory=str(street.parent)))


@pytest.fixture
def hanging_site(street: Path) -> Iterator[str]:
    Half.content = street.read_bytes()
    Half.part = len(Half.content) * 7 // 10
    Half.over.clear()
    for url in serve(Half):
        yield url
        Half.over.set()


def test_a_video_on_a_web_server_is_read_like_the_file(site: str, street: Path) -> None:
    with open_source(str(street)) as source:
        expected = list(source)
    with open_source(f"{site}/street.mp4") as source:
        assert source.size == (320, 180)
        assert not source.is_live
        frames = list(source)
    assert len(frames) == len(expected) == 40
    for frame, wanted in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.image, wanted.image)
        assert (frame.time_s, frame.index) == (wanted.time_s, wanted.index)


def test_a_web_video_loops(site: str) -> None:
    with open_source(f"{site}/street.mp4", loop=True) as source:
        frames = list(islice(source, 50))
    assert [frame.index for frame in frames] == list(range(50))
    np.testing.assert_array_equal(frames[3].image, frames[43].image)


def test_a_page_that_is_not_there(site: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_source(f"{site}/none.mp4")
    assert str(refused.value) == (
        f"{site}/none.mp4 cannot be read as video (Server returned 404 Not Found); check the address and the network"
    )


def test_closing_frees_a_reader_whose_server_fell_silent(hanging_site: str) -> None:
    source = open_source(f"{hanging_site}/street.mp4")
    seen: list[int] = []
    some = threading.Event()

    def read() -> None:
        for frame in source:
            seen.append(frame.index)
            if frame.index == 9:
                some.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert some.wait(10)
    # Long enough to read all that came: then it stands and waits for more.
    reader.join(0.4)
    assert reader.is_alive()
    assert len(seen) < 40
    source.close()
    reader.join(8)
    assert not reader.is_alive()
    assert seen == list(range(len(seen)))


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(PeerError, match=rf":{port}/live cannot be reached \(no answer within 0\.2 s\)"):
            open_source(f"http://127.0.0.1:{port}/live")

"""Video over HTTP, RTSP over TLS, and cameras at this machine."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from camera_behaviour import Behaviour
from camera_clips import street_clip
from camera_server import RtspServer
from watched_captures import Watch

from framewire.capture import CapturedFrame, CaptureState
from framewire.sources import Scene, write_clip


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class MovingJpeg(BaseHTTPRequestHandler):
    """A camera of the old kind: one JPEG after the other, eight to a connection, ten in a second at the most.

    It waits until what it sent was taken, so that pictures do not pile up before a reader that is late.
    """

    pause_s = 0.1

    def __init__(self, taken: threading.Semaphore, *arguments: Any) -> None:
        self.taken = taken
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        # Only once: a process that ends while one of its threads is in OpenCV is aborted.
        jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 120, np.uint8))[1].tobytes()
        head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        # FFmpeg wants three before it gives the first.
        for count in (3, 1, 1, 1, 1, 1):
            for _ in range(count):
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                self.wfile.flush()
            for _ in range(count):
                self.taken.acquire()
            threading.Event().wait(self.pause_s)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def web(handler: object, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_recording_on_a_web_server_ends_like_a_file(watch: Watch, tmp_path: Path) -> None:
    write_clip(tmp_path / "street.mp4", Scene(64, 48, frames=12, frames_per_second=10))
    with web(partial(Quiet, directory=str(tmp_path))) as url:
        watched = watch(f"{url}/street.mp4", in_real_time=False)
        frames = list(watched.capture.frames())
    assert len(frames) == 12
    assert {after.timestamp - before.timestamp for before, after in pairwise(frames)} == {9000}
    assert watched.kinds == ["MediaSessionEstablished"]
    assert watched.capture.state is CaptureState.ENDED


def test_moving_jpeg_is_live_and_timed_by_its_arrival(watch: Watch) -> None:
    taken = threading.Semaphore(0)
    frames: list[CapturedFrame] = []
    with web(partial(MovingJpeg, taken)) as url:
        watched = watch(f"{url}/video")
        for frame in islice(watched.capture.frames(), 14):
            frames.append(frame)
            taken.release()
        watched.capture.close()
        # The camera shall not wait for ever.
        taken.release(8)
    assert "NetworkError" in watched.kinds
    assert watched.capture.statistics().reconnects >= 1
    # FFmpeg would count 25 a second and place the first seven within 0.24 s. There are four pauses between them.
    assert frames[6].timestamp - frames[0].timestamp > 0.35 * 90_000
    assert all(before.timestamp < after.timestamp for before, after in pairwise(frames))


def test_a_page_that_is_missing_is_asked_for_again(watch: Watch, tmp_path: Path) -> None:
    with web(partial(Quiet, directory=str(tmp_path))) as url:
        watched = watch(f"{url}/street.mp4", in_real_time=False)
        reader = threading.Thread(target=lambda: list(watched.capture.frames()), daemon=True)
        reader.start()
        assert watched.wait_for(lambda: len(watched.events) >= 2)
        assert watched.events[0].kind == "Diagnostics.ProtocolError"
        assert (watched.events[0].body["code"], watched.events[0].body["protocol"]) == ("404", "http")
        write_clip(tmp_path / "part.mp4", Scene(64, 48, frames=12, frames_per_second=10))
        (tmp_path / "part.mp4").rename(tmp_path / "street.mp4")
        reader.join(10)
        assert not reader.is_alive()
        assert watched.capture.statistics().frames == 12


def test_a_playlist_of_a_web_server_opens_no_file_of_this_machine(watch: Watch, tmp_path: Path) -> None:
    # A transport stream, as playlists want it, so that nothing but the place of the file can be the reason.
    clip, site = tmp_path / "secret.ts", tmp_path / "site"
    site.mkdir()
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-VERSION:3\n#EXTINF:2,\n"
    (site / "good.m3u8").write_text(f"{head}secret.ts\n#EXT-X-ENDLIST\n")
    (site / "bad.m3u8").write_text(f"{head}file://{clip}\n#EXT-X-ENDLIST\n")
    (site / "secret.ts").write_bytes(clip.read_bytes())
    with web(partial(Quiet, directory=str(site))) as url:
        good = watch(f"{url}/good.m3u8", in_real_time=False)
        assert len(list(good.capture.frames())) == 20
        bad = watch(f"{url}/bad.m3u8", in_real_time=False)
        reader = threading.Thread(target=lambda: list(bad.capture.frames()), daemon=True)
        reader.start()
        assert bad.wait_for(lambda: len(bad.events) >= 2)
        bad.capture.close()
        reader.join(10)
        assert bad.capture.statistics().frames == 0


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, in one file with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=camera", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", tmp_path / "key.pem", "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + (tmp_path / "key.pem").read_bytes())
    return path


def tls_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("transport", ["tcp", "http"])
@pytest.mark.parametrize("is_verified", [False, True])
def test_a_camera_may_encrypt(watch: Watch, certificate: Path, transport: str, is_verified: bool) -> None:
    trusted = {"trusted_certificates": str(certificate)} if is_verified else {}
    with RtspServer(street_clip(160, 96), Behaviour(speed=2), tls=tls_of(certificate)) as server:
        watched = watch(server.url, transport=transport, **trusted)
        assert server.url.startswith("rtsps://")
        assert len(list(islice(watched.capture.frames(), 5))) == 5
        assert watched.kinds == ["MediaSessionEstablished"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("authority", ["its own", "another"])
def test_a_certificate_has_to_be_trusted_and_to_name_the_host(
    watch: Watch, certificate: Path, tmp_path: Path, host: str, authority: str
) -> None:
    trusted = certificate
    if authority == "another":
        trusted = tmp_path / "another.pem"
        trusted.write_text("nobody")
    with RtspServer(street_clip(160, 96), Behaviour(speed=2), tls=tls_of(certificate)) as server:
        url = server.url.replace("127.0.0.1", host)
        watched = watch(url, trusted_certificates=str(trusted))
        threading.Thread(target=lambda: list(islice(watched.capture.frames(), 1)), daemon=True).start()
        assert watched.wait_for(lambda: len(watched.events) >= 1)
        is_good = (host, authority) == ("127.0.0.1", "its own")
        assert watched.kinds[:1] == ["MediaSessionEstablished" if is_good else "NetworkError"]
        if not is_good:
            body = watched.events[0].body
            assert (body["code"], body["details"][0]["code"]) == (
                "tls",
                "Untrusted" if authority == "another" else "Misnamed",
            )
        watched.capture.close()


def test_a_server_that_does_not_speak_tls_is_told_as_such(watch: Watch, certificate: Path, tmp_path: Path) -> None:
    with web(partial(Quiet, directory=str(tmp_path))) as url:
        watched = watch(f"{url.replace('http:', 'https:')}/street.mp4", trusted_certificates=str(certificate))
        threading.Thread(target=lambda: list(islice(watched.capture.frames(), 1)), daemon=True).start()
        assert watched.wait_for(lambda: len(watched.events) >= 1)
        assert watched.events[0].body["details"][0]["code"] == "NoTls"
        watched.capture.close()


@pytest.mark.parametrize("transport", ["tcp", "http"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_camera_may_be_called_otherwise_when_the_name_does_not_matter(
    watch: Watch, certificate: Path, tmp_path: Path, transport: str, is_trusted: bool
) -> None:
    trusted = certificate if is_trusted else tmp_path / "another.pem"
    if not is_trusted:
        trusted.write_text(ssl.DER_cert_to_PEM_cert(b"no such authority"))
    with RtspServer(street_clip(160, 96), Behaviour(speed=2), tls=tls_of(certificate)) as server:
        # The certificate names 127.0.0.1.
        url = server.url.replace("127.0.0.1", "localhost")
        watched = watch(url, transport=transport, trusted_certificates=str(trusted), is_hostname_ignored=True)
        threading.Thread(target=lambda: list(islice(watched.capture.frames(), 1)), daemon=True).start()
        assert watched.wait_for(lambda: len(watched.events) >= 1)
        assert watched.kinds[:1] == ["MediaSessionEstablished" if is_trusted else "NetworkError"]
        watched.capture.close()


def test_nobody_there_is_told_as_such_when_the_name_does_not_matter(watch: Watch, certificate: Path) -> None:
    with RtspServer(street_clip(160, 96)) as server:
        url = server.url.replace("rtsp:", "rtsps:")
    watched = watch(url, trusted_certificates=str(certificate), is_hostname_ignored=True)
    threading.Thread(target=lambda: list(islice(watched.capture.frames(), 1)), daemon=True).start()
    assert watched.wait_for(lambda: len(watched.events) >= 1)
    assert watched.events[0].body["code"] == "connectionRefused"
    watched.capture.close()


def test_a_web_server_has_to_be_trusted_too(watch: Watch, certificate: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "street.mp4", Scene(64, 48, frames=12, frames_per_second=10))
    nobody = tmp_path / "nobody.pem"
    nobody.write_text("nobody")
    with web(partial(Quiet, directory=str(tmp_path)), tls=tls_of(certificate)) as url:
        good = watch(f"{url}/street.mp4", in_real_time=False, trusted_certificates=str(certificate))
        assert len(list(good.capture.frames())) == 12
        bad = watch(f"{url}/street.mp4", in_real_time=False, trusted_certificates=str(nobody))
        threading.Thread(target=lambda: list(bad.capture.frames()), daemon=True).start()
        assert bad.wait_for(lambda: len(bad.events) >= 1)
        assert (bad.kinds[:1], bad.events[0].body["code"]) == (["NetworkError"], "tls")
        bad.capture.close()


class FakeDevice:
    """What OpenCV gives for a camera at this machine: so many pictures, and then it is unplugged."""

    def __init__(self, count: int) -> None:
        self.count = count

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.count -= 1
        return (True, np.full((6, 8, 3), 7, np.uint8)) if self.count >= 0 else (False, None)

    def get(self, number: int) -> float:
        return 0.0

    def release(self) -> None:
        pass


def test_a_device_that_is_unplugged_and_plugged_in_goes_on(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framewire.sources.device._open_v4l2", lambda path: FakeDevice(6))
    watched = watch("/dev/video97")
    frames = list(islice(watched.capture.frames(), 12))
    assert (frames[0].width, frames[0].height) == (8, 6)
    assert all(before.timestamp < after.timestamp for before, after in pairwise(frames))
    assert watched.kinds[:3] == ["MediaSessionEstablished", "RuntimeError", "MediaSessionEstablished"]
    assert watched.events[1].body["details"][0]["message"] == "/dev/video97 went away"


def test_a_device_that_is_not_there_is_waited_for(watch: Watch) -> None:
    watched = watch("/dev/video97")
    reader = threading.Thread(target=lambda: list(watched.capture.frames()), daemon=True)
    reader.start()
    assert watched.wait_for(lambda: len(watched.events) >= 2)
    assert watched.kinds[:2] == ["RuntimeError", "RuntimeError"]
    assert watched.events[0].body["details"][0]["message"] == "/dev/video97 does not exist"
    watched.capture.close()
    reader.join(5)
    assert not reader.is_alive()


def test_a_picture_of_too_many_pixels_is_not_decoded(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framewire.capture.video.MOST_PIXELS", 40_000)
    small, large = street_clip(160, 96), street_clip(320, 176)
    with RtspServer(small, Behaviour(speed=4, clips={10: large, 30: small})) as server:
        watched = watch(server.url, picture_s=20.0)
        frames = list(islice(watched.capture.frames(), 20))
        assert {(frame.width, frame.height) for frame in frames} == {(160, 96)}
        assert watched.capture.statistics().undecodable > 0

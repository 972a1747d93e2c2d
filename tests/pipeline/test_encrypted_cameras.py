"""Cameras over rtsps, run by ``framewire run``: what a TlsEndpoint says of trust."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from camera_clips import street_clip
from camera_server import RtspServer
from certificates import Certificate, certificate_for
from command_line import documents, refused, running
from pipeline_documents import hub, motion, source, topology, typed, written

MISNAMED = "no secure connection: the camera's certificate does not name this host"
UNTRUSTED = "no secure connection: the camera's certificate is not signed by one that is trusted"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the camera shows: it names another host than its address."""
    return certificate_for(tmp_path_factory.mktemp("certificates") / "camera", "DNS:camera-7.local")


@pytest.mark.parametrize("transport", ["tcp", "http"])
@pytest.mark.parametrize(
    ("is_listed", "options", "refusal"),
    [
        # Listed, and its name is wrong.
        (True, {}, MISNAMED),
        (True, {"ignoreHostname": "true"}, None),
        # The system's certificates are trusted, and this one is not among them.
        (False, {"ignoreHostname": "true"}, UNTRUSTED),
        (False, {"ignoreSignature": "true"}, None),
    ],
)
def test_what_a_camera_has_to_prove(
    *,
    is_listed: bool,
    options: dict[str, str],
    refusal: str | None,
    transport: str,
    shown: Certificate,
    tmp_path: Path,
) -> None:
    with RtspServer(street_clip(frames=100), tls=shown.context()) as server:
        camera: dict[str, Any] = source("") | {"transport": transport}
        listed = {"trustedCertificates": typed("PemCertificateList", certificates=[shown.text])} if is_listed else {}
        camera["endpoint"] = typed("TlsEndpoint", url=server.url, validationOptions=options, **listed)
        with running("run", written(tmp_path, topology(camera, motion(), hub("motion")))) as pipeline:
            # Two tell of the pipeline's state.
            pipeline.until_printed(3)
            assert pipeline.stop(signal.SIGINT) == 0
    event = documents(pipeline.stdout)[2]
    kind = event["applicationProperties"]["eventType"].removeprefix("Microsoft.VideoAnalyzer.Diagnostics.")
    if refusal is None:
        assert kind == "MediaSessionEstablished"
        asked = {one.request.method for one in server.asked}
        assert ("GET" in asked) is (transport == "http")
    else:
        assert kind == "NetworkError"
        assert event["body"]["details"][0]["message"] == refusal


def test_without_a_list_the_certificates_of_the_system_count(shown: Certificate, tmp_path: Path) -> None:
    with RtspServer(street_clip(frames=100), tls=shown.context()) as server:
        camera: dict[str, Any] = source("")
        camera["endpoint"] = typed("TlsEndpoint", url=server.url, validationOptions={"ignoreHostname": "true"})
        path = written(tmp_path, topology(camera, motion(), hub("motion")))
        with running("run", path, env={"SSL_CERT_FILE": str(shown.path)}) as pipeline:
            pipeline.until_printed(3)
            assert pipeline.stop(signal.SIGINT) == 0
        assert documents(pipeline.stdout)[2]["applicationProperties"]["eventType"].endswith("MediaSessionEstablished")
        said = refused("run", path, env={"SSL_CERT_FILE": str(tmp_path / "nowhere.pem")})
    assert said == (
        "the source is to prove itself, and this system has no file of trusted certificates; list them in"
        " trustedCertificates, or name a file in SSL_CERT_FILE"
    )

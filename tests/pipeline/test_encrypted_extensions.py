"""Extensions behind TLS, run by ``framewire run``: who is trusted, what is said of who is not, and that it recovers."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificate, certificate_for
from command_line import documents, framewire, running
from grpc_extensions import grpc_extension
from http_extensions import extension, found
from pipeline_documents import grpc as grpc_node
from pipeline_documents import hub, node, source, topology, typed, written
from plain_server import GoodServer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "good": certificate_for(folder / "good", "DNS:localhost", "IP:127.0.0.1"),
        "for another host": certificate_for(folder / "elsewhere", "DNS:elsewhere.local"),
        "of a stranger": certificate_for(folder / "stranger", "DNS:localhost", "IP:127.0.0.1"),
    }


def trusting(url: str, *trusted: Certificate, **members: Any) -> dict[str, Any]:
    listed = {"trustedCertificates": typed("PemCertificateList", certificates=[one.text for one in trusted])}
    return typed("TlsEndpoint", url=url, **(listed if trusted else {}), **members)


def http_node(name: str, after: str, endpoint: dict[str, Any]) -> dict[str, Any]:
    return node("HttpExtension", name, after, endpoint=endpoint, image={"scale": {"width": "64", "height": "64"}})


def of_kind(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    whole = f"Microsoft.VideoAnalyzer.{kind}"
    return [one for one in messages if one["applicationProperties"]["eventType"] == whole]


def of_node(messages: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [one["body"] for one in messages if one["applicationProperties"]["subject"].endswith(f"/{name}")]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            "of a stranger",
            "cannot be reached (its certificate is not signed by one that is trusted); check the trusted certificates",
        ),
        (
            "for another host",
            "cannot be reached (its certificate does not name this host); take the name that the certificate holds, or"
            " give the server another certificate",
        ),
    ],
)
def test_a_wrong_certificate_is_told_once_in_plain_words_and_the_right_one_is_used_when_it_comes(
    shown: str, said: str, certificates: dict[str, Certificate], tmp_path: Path
) -> None:
    good, wrong = certificates["good"], certificates[shown]
    # Two of them, so that a list is read as one. The stranger is in none.
    trusted = (certificates["for another host"], good)
    with ExitStack() as first:
        port = first.enter_context(grpc_extension(GoodServer(), wrong))
        url, _ = first.enter_context(extension(lambda _: found(), tls=wrong.context()))
        path = written(
            tmp_path,
            topology(
                source("test:size=320x180"),
                grpc_node("grpc", "", endpoint=trusting(f"tcp://127.0.0.1:{port}", *trusted)),
                http_node("http", "grpc", trusting(url, *trusted)),
                hub("grpc", "http"),
            ),
        )
        with running("run", path) as pipeline:
            pipeline.until_said("^grpc: .* cannot be reached")
            pipeline.until_said("^http: .* cannot be reached")
            first.close()
            http_port = int(url.rpartition(":")[2].partition("/")[0])
            with grpc_extension(GoodServer(), good, port), extension(lambda _: found(), http_port, good.context()):
                pipeline.until_said("^grpc: .* is back")
                pipeline.until_said("^http: .* answers again")
                count = len(pipeline.out)
                pipeline.until_printed(count + 10)
                assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    errors = of_kind(messages, "Diagnostics.NetworkError")
    assert [one["details"][0]["message"] for one in of_node(errors, "grpc")] == [f"127.0.0.1:{port} {said}"]
    assert [one["details"][0]["message"] for one in of_node(errors, "http")] == [f"{url} {said}"]
    inferred = of_kind(messages, "Analytics.Inference")
    assert of_node(inferred, "grpc")[-1]["inferences"][0]["type"] == "classification"
    assert of_node(inferred, "http")[-1]["inferences"][-1]["entity"]["tag"]["value"] == "car"
    # Nothing but our own lines: neither library speaks for itself.
    assert all(line.startswith(("grpc: ", "http: ", "inactive; ")) for line in pipeline.stderr.splitlines())


def test_what_the_document_says_is_not_checked_is_not_checked_over_http(
    certificates: dict[str, Certificate], tmp_path: Path
) -> None:
    elsewhere, stranger = certificates["for another host"], certificates["of a stranger"]
    with (
        extension(lambda _: found(), tls=elsewhere.context()) as (of_elsewhere, _),
        extension(lambda _: found(), tls=stranger.context()) as (of_stranger, _),
    ):
        any_name = trusting(of_elsewhere, elsewhere, validationOptions={"ignoreHostname": "true"})
        anybody = trusting(of_stranger, elsewhere, validationOptions={"ignoreSignature": "true"})
        path = written(
            tmp_path,
            topology(
                source("test:size=320x180,frames=10"),
                http_node("name", "camera", any_name),
                http_node("signature", "name", anybody),
                hub("name", "signature"),
            ),
        )
        finished = framewire("run", path, "--as-fast-as-possible")
    assert finished.returncode == 0, finished.stderr
    inferred = of_kind(documents(finished.stdout), "Analytics.Inference")
    assert len(of_node(inferred, "name")) == len(of_node(inferred, "signature")) == 10

"""What the camera does and what the topology says, as an extension gets it from ``framewire run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import documents, framewire
from grpc_extensions import RecordingServer, grpc_extension
from pipeline_documents import grpc, hub, motion, source, topology, typed, written

STILL, MOVING = 50, 40
"""Frames of 25 a second."""

LEFT = "[[[0,0],[0.5,0],[0.5,1],[0,1]]]"
RIGHT = "[[[0.5,0],[1,0],[1,1],[0.5,1]]]"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of pictures, 320x180: nothing happens for two seconds, then something walks through the left half."""
    folder = tmp_path_factory.mktemp("yard")
    chance = np.random.default_rng(7)
    coarse = chance.integers(60, 140, (12, 20)).astype(np.uint8)
    ground = cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_CUBIC)
    for index in range(STILL + MOVING):
        picture = ground.copy()
        if index >= STILL:
            left = 10 + 2 * (index - STILL)
            picture[60:110, left : left + 40] = 240
        cv2.imwrite(str(folder / f"{index}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return str(folder)


def play(tmp_path: Path, *nodes: dict[str, Any], where: str) -> dict[str, list[dict[str, Any]]]:
    """Runs nodes to the end; the bodies of what each published."""
    path = written(tmp_path, topology(source(where), *nodes))
    finished = framewire("run", path, "--as-fast-as-possible")
    assert finished.returncode == 0, finished.stderr
    published: dict[str, list[dict[str, Any]]] = {}
    for message in documents(finished.stdout):
        if message["applicationProperties"]["eventType"] == "Microsoft.VideoAnalyzer.Analytics.Inference":
            name = message["applicationProperties"]["subject"].rpartition("/")[2]
            published.setdefault(name, []).append(message["body"])
    return published


def test_motion_under_a_mask_is_not_published_and_beside_it_is(yard: str, tmp_path: Path) -> None:
    each = {"eventAggregationWindow": "PT0S"}
    published = play(
        tmp_path,
        motion("covered", **each, **{"framewire:mask": LEFT}),
        motion("seen", **each, **{"framewire:mask": RIGHT}),
        hub("covered", "seen"),
        where=yard,
    )
    assert set(published) == {"seen"}
    boxes = [one["motion"]["box"] for body in published["seen"] for one in body["inferences"]]
    assert len(boxes) >= MOVING / 2
    assert all(box["l"] + box["w"] <= 0.5 for box in boxes)


def test_only_frames_with_annotation_are_sent_when_that_is_asked_for_and_no_more_than_the_rate(
    yard: str, tmp_path: Path
) -> None:
    picky = {"skipSamplesWithoutAnnotation": "true"}
    server = RecordingServer()
    with grpc_extension(server) as port:
        address = f"tcp://127.0.0.1:{port}"
        published = play(
            tmp_path,
            motion(eventAggregationWindow="PT0S"),
            grpc("all", address, "motion"),
            grpc("annotated", address, "motion", samplingOptions=picky),
            grpc("seldom", address, "motion", samplingOptions={**picky, "maximumSamplesPerSecond": "5"}),
            hub("motion", "annotated", "seldom"),
            where=yard,
        )
    moving = [body["timestamp"] for body in published["motion"]]
    assert MOVING / 2 <= len(moving) <= MOVING
    assert len(server.samples["all"]) == STILL + MOVING
    assert [sample.timestamp for sample in server.samples["annotated"]] == moving
    # What the detector found travels along.
    assert all(
        {type(one).__name__ for one in sample.inferences} == {"Motion"} for sample in server.samples["annotated"]
    )
    # Every fifth of 25 a second.
    assert [sample.timestamp for sample in server.samples["seldom"]] == moving[::5]
    assert [body["timestamp"] for body in published["seldom"]] == moving[::5]
    assert {body["inferences"][-1]["type"] for body in published["seldom"]} == {"classification"}


def test_credentials_and_the_extension_configuration_reach_the_extension_as_they_are(tmp_path: Path) -> None:
    configuration = ' {"model": "yolo\\u00e9", "λ": [1, 2]}\n\tand then "no" JSON at all ✓ '
    server = RecordingServer()
    with grpc_extension(server) as port:
        endpoint = typed(
            "UnsecuredEndpoint",
            url=f"tcp://127.0.0.1:{port}",
            credentials=typed("UsernamePasswordCredentials", username="Ada", password="s3:crét"),
        )
        published = play(
            tmp_path,
            grpc("ai", "", endpoint=endpoint, extensionConfiguration=configuration),
            hub("ai"),
            where="test:size=320x180,frames=3",
        )
    assert len(published["ai"]) == 3
    # printf 'Ada:s3:crét' | base64
    assert server.credentials == ["Basic QWRhOnMzOmNyw6l0"]
    assert server.descriptors["ai"].configuration == configuration

"""The reference page of topologies says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from topology_texts import STREET, lines_of, swapped

from framewire.topology import parts
from framewire.topology.nodes import PROCESSORS, SINKS, SOURCES, VideoCreationProperties
from framewire.topology.parts import Part
from framewire.topology.placement import _RULES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "topologies.md").read_text("utf-8")
PARTS: list[type[Part]] = [
    *(*SOURCES, *PROCESSORS, *SINKS, VideoCreationProperties),
    *(parts.UnsecuredEndpoint, parts.TlsEndpoint, parts.PemCertificateList, parts.TlsValidationOptions),
    *(parts.UsernamePasswordCredentials, parts.HttpHeaderCredentials, parts.SymmetricKeyCredentials),
    *(parts.Image, parts.ImageScale, parts.ImageFormatJpeg, parts.ImageFormatRaw, parts.SamplingOptions),
    *(parts.DataTransfer, parts.NodeInput, parts.OutputSelector),
]


def test_its_example_is_what_is_said() -> None:
    text = swapped(
        STREET,
        ('"transport": "tcp"', '"transport": "tpc"'),
        ('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "101"'),
        ('"nodeName": "motion"', '"nodeName": "moton"'),
    )
    assert re.findall(r"^street\.json:(\d.*)$", PAGE, re.MULTILINE) == lines_of(text)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_it_names_every_member(part: type[Part]) -> None:
    if part.__name__ != "CognitiveServicesVisionProcessor":
        for name, info in part.model_fields.items():
            assert f"`{info.validation_alias or info.alias or name}`" in PAGE, name


def test_it_names_every_rule_of_placement() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE[PAGE.index("| node | directly behind |") :], re.MULTILINE))
    extensions = {"HttpExtension", "GrpcExtension"}
    assert {kind.__name__ for kind in _RULES} - extensions == named

"""Messages as files, byte by byte from the contract's numbers: what they say may never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewire.errors import FormatError, ProtocolError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Motion, Other, Tag, Text
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample, SharedMemory
from framewire.session.server import ServerSession
from framewire.wire import decode, encode

GOLDEN = Path(__file__).with_name("golden")
CAMERA = GraphIdentifier("/subscriptions/0/mediaServices/m", "street-1", "grpcExtension")
TIME = 145_819_820_073_974
LIGHT = Classification(Tag("light", 1.0), subtype="colorIntensity")

MESSAGES = {
    "descriptor_shared_memory": Message(
        1,
        0,
        Descriptor(
            CAMERA,
            '{"colorIntensity":"dark"}',
            90_000,
            VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24, 5760),
            SharedMemory("ava_shm_1", 20_971_520),
        ),
    ),
    "descriptor_embedded_jpg": Message(1, 0, Descriptor(CAMERA, "", 90_000, VideoFormat(Encoding.JPG, 416, 416))),
    "descriptor_default_encoding_is_bmp": Message(
        1, 0, Descriptor(None, "", 90_000, VideoFormat(Encoding.BMP, 64, 48))
    ),
    "descriptor_without_sample_format": Message(1, 0, Descriptor(CAMERA, "", 90_000)),
    "descriptor_of_a_server": Message(1, 1, Descriptor("framewire", "", 90_000)),
    "sample_embedded": Message(2, 0, Sample(TIME, bytes(range(12)))),
    "sample_shared_memory": Message(3, 0, Sample(TIME + 3000, ContentReference(6_220_800, 6_220_800))),
    "sample_shared_memory_at_the_start": Message(2, 0, Sample(TIME, ContentReference(0, 6_220_800))),
    "sample_without_content": Message(4, 0, Sample(TIME + 6000)),
    "sample_before_descriptor": Message(1, 0, Sample(TIME, bytes(range(12)))),
    "sample_with_upstream_motion": Message(
        2,
        0,
        Sample(
            TIME,
            b"\xff\xd8",
            (Motion(Rectangle(0.25, 0.5, 0.125, 0.0625), subtype="motion", inference_id="m-1"),),
        ),
    ),
    "ack_only": Message(5, 4),
    "answer_without_result": Message(2, 2, Sample(TIME)),
    "answer_at_timestamp_zero": Message(2, 2, Sample(0)),
    "answer_with_all_six_kinds": Message(
        3,
        7,
        Sample(
            TIME,
            None,
            (
                LIGHT,
                Motion(Rectangle(0.0, 0.25, 0.5, 1.0)),
                Entity(
                    Tag("car", 0.5),
                    Rectangle(0.5, 0.0, 0.25, 0.125),
                    (Attribute("colour", "red", 0.25),),
                    "17",
                    inference_id="e-1",
                    sequence_id="seq-1",
                    related_inferences=("m-1", "m-2"),
                    extensions={"lane": "2"},
                ),
                Text("hello", "en-GB", 90_000, 180_000),
                Event("line1", {"total": "3"}, subtype="lineCrossing"),
                Other("application/octet-stream", b"\x00\x01\xfe\xff"),
            ),
        ),
    ),
    "answer_with_type_auto": Message(
        3, 7, Sample(TIME, None, (Classification(Tag("dark", 1.0), subtype="colorIntensity"),))
    ),
    "answer_early_in_a_batch": Message(
        2, 2, Sample(TIME, None, (Event("Adding image #1 to batch.", subtype="BatchAggregation"),))
    ),
    "answer_with_an_inference_without_value": Message(
        3,
        7,
        Sample(
            TIME,
            None,
            (LIGHT,),
            ("an inference has no value; allowed: one of classification, motion, entity, text, event, other",),
        ),
    ),
}

BROKEN = {
    "descriptor_raw_without_pixel_format": (FormatError, "encoding RAW needs a pixel format and has NONE"),
    "torn_sample": (ProtocolError, "a message of 25 bytes is not a MediaStreamMessage"),
}

# Read as what is expected, written differently: we never send type AUTO, nor an inference that says nothing.
READ_ONLY = {"answer_with_type_auto", "answer_with_an_inference_without_value"}


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.bin").read_bytes()


def test_every_file_is_expected() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*MESSAGES, *BROKEN}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_golden_message_says_what_its_name_says(name: str) -> None:
    assert decode(golden(name)) == MESSAGES[name]


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - READ_ONLY))
def test_we_write_a_golden_message_to_the_byte(name: str) -> None:
    assert encode(MESSAGES[name]) == golden(name)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_golden_message_is_refused(name: str) -> None:
    kind, text = BROKEN[name]
    with pytest.raises(kind) as caught:
        decode(golden(name))
    assert caught.value.problem == text


def test_an_answer_without_result_is_a_sample_with_its_timestamp_alone() -> None:
    # sequence_number [1] = 2, ack_sequence_number [2] = 2, media_sample [6] of no bytes
    assert golden("answer_at_timestamp_zero") == b"\x08\x02\x10\x02\x32\x00"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["sample_before_descriptor"], "the first message is a media sample"),
        (["ack_only"], "the first message is empty"),
        (["descriptor_without_sample_format"], "the descriptor has no video_frame_sample_format"),
        (
            ["descriptor_shared_memory", "sample_embedded"],
            "message 2 is a sample, and the descriptor is not answered yet",
        ),
        (
            ["descriptor_shared_memory", "descriptor_shared_memory"],
            "sequence number 1 does not rise above 1",
        ),
    ],
)
def test_golden_messages_in_the_wrong_order_end_a_session(names: list[str], text: str) -> None:
    session = ServerSession()
    for name in names[:-1]:
        session.receive(decode(golden(name)))
    with pytest.raises(ProtocolError) as caught:
        session.receive(decode(golden(names[-1])))
    assert caught.value.problem == text

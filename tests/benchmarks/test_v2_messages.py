"""The V2 protocol's messages, as bytes."""

from __future__ import annotations

import pytest
import v2


def test_a_request_carries_its_frame_after_the_description_of_it() -> None:
    request = v2.infer_request("raw", (1, 2, 3), b"pixels", identity="7")
    assert request == (
        b"\x0a\x03raw"  # model_name
        b"\x1a\x017"  # id
        b"\x2a\x13\x0a\x05frame\x12\x05UINT8\x1a\x03\x01\x02\x03"  # inputs: name, datatype, shape
        b"\x3a\x06pixels"  # raw_input_contents
    )


def test_a_request_names_the_place_of_its_frame_in_shared_memory() -> None:
    request = v2.infer_request("m", (1,), v2.Region("region", 300, 5))
    assert request == (
        b"\x0a\x01m"
        b"\x2a\x6f\x0a\x05frame\x12\x05UINT8\x1a\x01\x01"
        b"\x22\x20\x0a\x14shared_memory_region\x12\x08\x1a\x06region"
        b"\x22\x1d\x0a\x17shared_memory_byte_size\x12\x02\x10\x05"
        b"\x22\x1b\x0a\x14shared_memory_offset\x12\x03\x10\xac\x02"
    )


def test_a_region_is_registered_by_its_file_name_with_a_slash() -> None:
    assert v2.register_request("r", "file", 300) == b"\x0a\x01r\x12\x05/file\x20\xac\x02"
    assert v2.unregister_request("r") == b"\x0a\x01r"


@pytest.mark.parametrize(
    "answer",
    [
        b"\x0a\x03raw\x1a\x017\x32\x01\x01",  # raw_output_contents
        b"\x0a\x03raw\x1a\x017\x2a\x0c\x0a\x05light\x2a\x03\x22\x01\x01",  # uint_contents, packed
        b"\x0a\x03raw\x1a\x017\x2a\x0b\x0a\x05light\x2a\x02\x20\x01",  # uint_contents, not packed
    ],
)
def test_the_output_is_found_raw_and_in_typed_contents(answer: bytes) -> None:
    assert v2.first_output(answer) == 1
    assert v2.identity(answer) == "7"


def test_an_answer_without_output_or_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="holds no output"):
        v2.first_output(b"\x0a\x03raw")
    with pytest.raises(ValueError, match="names no request"):
        v2.identity(b"\x0a\x03raw")


def test_a_streamed_answer_is_unwrapped_and_a_streamed_error_speaks() -> None:
    assert v2.streamed(b"\x12\x03\x1a\x017") == b"\x1a\x017"
    with pytest.raises(ValueError, match="no such model"):
        v2.streamed(b"\x0a\x0dno such model")

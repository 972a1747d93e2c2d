"""What ``process_images`` classes see of protobuf (contract, section 8)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias

from framewire.model.inference import Inference
from framewire.wire import extension_pb2, inferencing_pb2, media_pb2
from framewire.wire.inferences import read_inferences

LegacyMessage: TypeAlias = extension_pb2.MediaStreamMessage


def install_bare_names() -> None:
    """Makes our stubs importable as ``extension_pb2``, ``media_pb2`` and ``inferencing_pb2``.

    Stubs of another protoc beside the user's class would register the same message names twice, which protobuf
    refuses; with these in place they are never imported.
    """
    for module in (extension_pb2, media_pb2, inferencing_pb2):
        sys.modules[module.__name__.rpartition(".")[2]] = module


def empty_answer(timestamp: int) -> LegacyMessage:
    """A fresh answer without inferences, for a class to add to."""
    message = extension_pb2.MediaStreamMessage()
    message.media_sample.timestamp = timestamp
    return message


def answered_inferences(message: object) -> tuple[Sequence[Inference], Sequence[str]]:
    """The inferences in an answer: the legal ones, and what is wrong with each other one.

    Raises:
        TypeError: It is no ``MediaStreamMessage``.
    """
    if not isinstance(message, extension_pb2.MediaStreamMessage):
        raise TypeError(f"the answer is a {type(message).__name__} and not a MediaStreamMessage")
    return read_inferences(message.media_sample.inferences)

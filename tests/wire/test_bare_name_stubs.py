"""Classes of the older samples import the stubs by bare names; they get ours, whatever lies beside them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from framewire.model.geometry import Rectangle
from framewire.model.inference import Motion
from framewire.wire import extension_pb2, inferencing_pb2, media_pb2
from framewire.wire.legacy import answered_inferences, empty_answer, install_bare_names

STUBS = {"extension_pb2": extension_pb2, "inferencing_pb2": inferencing_pb2, "media_pb2": media_pb2}


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STUBS:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("name", sorted(STUBS))
def test_a_bare_name_is_our_module_with_identical_classes(name: str) -> None:
    install_bare_names()
    module = importlib.import_module(name)
    assert module is STUBS[name]
    for message in module.DESCRIPTOR.message_types_by_name:
        assert getattr(module, message) is getattr(STUBS[name], message)


def test_stub_files_in_the_path_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STUBS:
        (tmp_path / f"{name}.py").write_text("raise TypeError('Conflict: the same names twice')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    install_bare_names()
    for name, module in STUBS.items():
        assert importlib.import_module(name) is module


def test_an_empty_answer_has_its_timestamp_and_nothing_else() -> None:
    assert empty_answer(7).SerializeToString() == b"\x32\x02\x08\x07"
    assert answered_inferences(empty_answer(7)) == ((), ())


def test_what_is_added_to_an_answer_is_found_in_it() -> None:
    answer = empty_answer(7)
    item = answer.media_sample.inferences.add()
    item.motion.box.l = 0.5
    assert answered_inferences(answer) == ((Motion(Rectangle(0.5, 0, 0, 0)),), ())


@pytest.mark.parametrize("wrong", [None, "text", [], media_pb2.Dimensions()])
def test_an_answer_of_another_type_is_refused_by_its_name(wrong: object) -> None:
    with pytest.raises(TypeError, match=f"the answer is a {type(wrong).__name__} and not a MediaStreamMessage"):
        answered_inferences(wrong)

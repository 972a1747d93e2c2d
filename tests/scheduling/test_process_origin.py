"""How a worker process finds the class of a processor again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import process_toys as toys
import pytest
from process_runners import INFO, frame_of, words

from framewire.errors import ConfigurationError, ProcessorError
from framewire.model.inference import Text
from framewire.processors.api import NoOptions, Processor
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.scheduling.process import ProcessRunner
from framewire.scheduling.process_origin import loadable_text

OWN = """
from dataclasses import dataclass
from framewire import Processor, Text
from neighbour import WORD

@dataclass(frozen=True)
class Settings:
    word: str = WORD

class Own(Processor):
    Options = Settings
    def process(self, frames):
        return [[Text(self.options.word)] for _ in frames]

class Nested(Processor):
    @dataclass(frozen=True)
    class Options:
        word: str = "nested"
    def process(self, frames):
        return [[Text(self.options.word)] for _ in frames]

def make():
    class Made(Processor):
        def process(self, frames):
            return [[Text("made")] for _ in frames]
    return Made

NamedMade = make()
"""

LEGACY = """
import extension_pb2
import inferencing_pb2

class Old:
    def process_images(self, mediaStreamMessage, rawBytes, size):
        inference = mediaStreamMessage.media_sample.inferences.add()
        inference.type = inferencing_pb2.Inference.InferenceType.TEXT
        inference.text.value = f"{len(rawBytes)} {size}"
        return mediaStreamMessage
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder, with modules of its own that leave no trace here."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "neighbour.py").write_text('WORD = "neighbour"\n')
    (tmp_path / "old.py").write_text(LEGACY)
    monkeypatch.setattr("sys.path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def said_by(kind: ProcessorKind, **options: object) -> str:
    """What a frame is answered with."""
    runner = ProcessRunner(kind, kind.options(options), frame_timeout_s=None, threads=1)
    runner.open()
    try:
        (text,) = words(runner.run([frame_of(runner.open_session(INFO))]))
    finally:
        runner.close()
    return text


def test_an_installed_processor_runs() -> None:
    kind = Catalogue().load("null")
    assert said_by(kind) == ""
    assert loadable_text(kind) == "framewire.processors.builtin.null:Null"


def test_a_class_of_a_file_runs_with_its_neighbours_and_options(folder: Path) -> None:
    kind = Catalogue().load(f"{folder}/own.py:Own")
    assert said_by(kind) == "neighbour"
    assert said_by(kind, word="given") == "given"


def test_a_class_of_a_relative_file_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert said_by(Catalogue().load("own.py:Nested")) == "nested"


def test_a_class_of_a_file_runs_under_its_short_name(folder: Path) -> None:
    catalogue = Catalogue()
    catalogue.load(f"{folder}/own.py:Nested")
    kind = catalogue.find("Nested")
    assert kind.name == "Nested"
    assert said_by(kind, word="short") == "short"
    assert loadable_text(kind) == f"{folder}/own.py:Nested"


def test_a_class_of_a_module_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    assert said_by(Catalogue().load("own:Own")) == "neighbour"


def test_a_class_that_a_function_made_runs_under_the_name_of_its_module(folder: Path) -> None:
    assert said_by(Catalogue().load(f"{folder}/own.py:NamedMade")) == "made"


@pytest.mark.parametrize("name", ["old.py:Old", "Old"])
def test_an_existing_process_images_class_runs(name: str, folder: Path) -> None:
    catalogue = Catalogue()
    kind = catalogue.load(f"{folder}/old.py:Old")
    assert said_by(kind if ":" in name else catalogue.find(name)) == "6 (2, 1)"


def test_a_class_of_the_program_itself_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ModuleType("__main__")
    program.Own = type("Own", (toys.AllKinds,), {"__module__": "__main__"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", program)
    runner = ProcessRunner(ProcessorKind("mine", program.Own), NoOptions(), frame_timeout_s=None, threads=1)
    with pytest.raises(ProcessorError) as caught:
        runner.open()
    assert str(caught.value) == (
        "processor mine cannot run in a process of its own: class Own is defined in the program itself, where another "
        "process cannot import it; move the class to the top level of a module or file of its own, or run it in threads"
    )


def test_a_class_of_a_function_is_an_error_that_says_what_to_do() -> None:
    class Local(Processor):
        def process(self, frames: object) -> list[list[Text]]:
            return []

    with pytest.raises(ProcessorError, match=r"Local is defined in test_process_origin, but not at its top level"):
        loadable_text(ProcessorKind("null", Local))  # type: ignore[type-abstract]


def test_a_class_whose_file_has_gone_is_an_error_with_its_reason(folder: Path) -> None:
    kind = Catalogue().load(f"{folder}/own.py:Own")
    (folder / "own.py").unlink()
    with pytest.raises(ProcessorError) as caught:
        said_by(kind)
    assert caught.value.problem.startswith(
        f"processor {folder}/own.py:Own cannot be loaded in its process: ConfigurationError: there is no file {folder}"
    )


def test_a_class_whose_module_raises_elsewhere_is_an_error_with_its_traceback(folder: Path) -> None:
    kind = Catalogue().load(f"{folder}/own.py:Own")
    (folder / "neighbour.py").write_text("raise OSError('no neighbour')")
    with pytest.raises(ProcessorError, match=r"(?s)cannot be imported: OSError: no neighbour.*Traceback"):
        said_by(kind)
    with pytest.raises(ConfigurationError):
        Catalogue().load(f"{folder}/none.py:Own")

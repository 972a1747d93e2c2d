"""Processors by name, from a file and from a module; whatever is wrong with them is one line for the operator."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from framewire.errors import ConfigurationError
from framewire.processors.builtin.color_intensity import ColorIntensity
from framewire.processors.builtin.echo import Echo
from framewire.processors.catalogue import Catalogue

MINE = """
from dataclasses import dataclass
import framewire

class Mine(framewire.Processor):
    "Finds nothing."

    @dataclass(frozen=True)
    class Options:
        threshold: float = 0.5

    def process(self, frames):
        return [[] for _ in frames]
"""


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]


def written(path: Path, text: str = MINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(text: str, catalogue: Catalogue | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        (catalogue or Catalogue()).load(text)
    return str(caught.value)


class TestInstalledProcessors:
    def test_the_built_in_ones_are_listed_with_the_distribution_that_brings_them(self) -> None:
        catalogue = Catalogue()
        assert {"color-intensity", "echo", "motion", "null"} <= set(catalogue.names())
        assert catalogue.names() == sorted(catalogue.names())
        assert catalogue.origin("color-intensity") == "framewire"

    def test_one_is_found_by_its_name(self) -> None:
        kind = Catalogue().find("color-intensity")
        assert (kind.name, kind.factory, kind.takes_any_configuration) == ("color-intensity", ColorIntensity, False)
        assert kind.options({"threshold": "100"}) == ColorIntensity.Options(100.0)

    def test_a_third_partys_entry_point_is_found_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        installed(monkeypatch, theirs="framewire.processors.builtin.echo:Echo")
        assert Catalogue().names() == ["theirs"]
        assert Catalogue().find("theirs").factory is Echo
        assert Catalogue().origin("theirs") == "unknown"

    def test_a_broken_entry_point_is_listed_and_refused_when_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        installed(monkeypatch, gone="no_such_package:Thing", odd="framewire.errors:FramewireError")
        assert Catalogue().names() == ["gone", "odd"]
        assert refusal("gone") == (
            "processor 'gone' cannot be imported: ModuleNotFoundError: No module named 'no_such_package'; "
            "run with --log-level debug to see where"
        )
        assert refusal("odd").startswith("processor 'odd' is no processor; allowed: a class with process(self, frames)")

    def test_an_unknown_name_is_refused_with_the_nearest_and_all(self) -> None:
        text = refusal("color-intensty")
        assert text.startswith("there is no processor 'color-intensty'; did you mean 'color-intensity'?; allowed: ")
        assert text.endswith(", ".join(Catalogue().names()))

    def test_a_client_cannot_name_an_import_path(self, tmp_path: Path) -> None:
        path = written(tmp_path / "mine.py")
        for name in (f"{path}:Mine", "framewire.processors.builtin.echo:Echo", "Mine"):
            with pytest.raises(ConfigurationError, match="there is no processor"):
                Catalogue().find(name)


def installed(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = EntryPoints(EntryPoint(name, value, "framewire.processors") for name, value in points.items())
    monkeypatch.setattr("framewire.processors.catalogue.entry_points", lambda group: found.select(group=group))


class TestFiles:
    def test_a_class_of_a_file_is_found_by_the_same_text_and_by_its_name_from_then_on(self, tmp_path: Path) -> None:
        text = f"{written(tmp_path / 'mine.py')}:Mine"
        catalogue = Catalogue()
        kind = catalogue.load(text)
        assert kind.name == text
        assert kind.factory.__name__ == "Mine"
        assert catalogue.find(text) is kind
        assert catalogue.find("Mine").factory is kind.factory
        assert {text, "Mine"} <= set(catalogue.names())
        assert kind.options({"threshold": "0.25"}).threshold == 0.25

    def test_a_relative_path_is_one_from_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written(tmp_path / "sub" / "mine.py")
        monkeypatch.chdir(tmp_path)
        assert Catalogue().load("sub/mine.py:Mine").factory.__name__ == "Mine"

    def test_a_file_may_import_its_neighbours(self, tmp_path: Path) -> None:
        written(tmp_path / "neighbour_of_mine.py", "LABEL = 'car'\n")
        path = written(tmp_path / "mine.py", "from neighbour_of_mine import LABEL\n" + MINE + "    label = LABEL\n")
        assert Catalogue().load(f"{path}:Mine").factory.label == "car"  # type: ignore[attr-defined]

    def test_files_of_the_same_name_in_two_folders_are_two_modules(self, tmp_path: Path) -> None:
        source = (
            "from __future__ import annotations\nfrom dataclasses import dataclass\nimport framewire\n"
            "Number = {kind}\n"
            "class Mine(framewire.Processor):\n"
            "    @dataclass(frozen=True)\n    class Options:\n        value: Number = Number(1)\n"
            "    def process(self, frames):\n        return [[] for _ in frames]\n"
        )
        catalogue = Catalogue()
        first = catalogue.load(f"{written(tmp_path / 'a' / 'mine.py', source.format(kind='int'))}:Mine")
        second = catalogue.load(f"{written(tmp_path / 'b' / 'mine.py', source.format(kind='str'))}:Mine")
        assert first.factory is not second.factory
        # The annotations are looked up in each class's own module, also after the other was loaded.
        assert first.options({"value": "7"}).value == 7
        assert second.options({"value": "7"}).value == "7"

    def test_objects_of_a_file_can_be_pickled_after_another_of_its_name_was_loaded(self, tmp_path: Path) -> None:
        catalogue = Catalogue()
        first = catalogue.load(f"{written(tmp_path / 'a' / 'mine.py')}:Mine")
        catalogue.load(f"{written(tmp_path / 'b' / 'mine.py')}:Mine")
        options = first.options({"threshold": 0.75})
        assert pickle.loads(pickle.dumps(options)) == options

    def test_a_colon_in_the_path_does_no_harm(self, tmp_path: Path) -> None:
        assert Catalogue().load(f"{written(tmp_path / 'a:b' / 'mine.py')}:Mine").factory.__name__ == "Mine"

    @pytest.mark.parametrize(
        ("source", "name", "text"),
        [
            (MINE, "Yours", "{path} has no class 'Yours'; allowed: Mine"),
            (MINE, "", "{path} has no class ''; allowed: Mine"),
            (
                "from framewire import Processor\nclass Other: pass\n",
                "Yours",
                "{path} has no class 'Yours'; allowed: none: it defines no processor",
            ),
            (
                "import no_such_package\n",
                "Mine",
                "{path} cannot be imported: ModuleNotFoundError: No module named 'no_such_package'; "
                "run with --log-level debug to see where",
            ),
            (
                "class Mine(:\n",
                "Mine",
                "{path} cannot be imported: SyntaxError: invalid syntax (mine.py, line 1); "
                "run with --log-level debug to see where",
            ),
            (
                "raise RuntimeError('first line\\nsecond line')\n",
                "Mine",
                "{path} cannot be imported: RuntimeError: first line; run with --log-level debug to see where",
            ),
            (
                "import sys\nsys.exit(3)\n",
                "Mine",
                "{path} cannot be imported: SystemExit: 3; run with --log-level debug to see where",
            ),
            (
                "Mine = 7\n",
                "Mine",
                "Mine in {path} is no processor; allowed: a class with process(self, frames) or "
                "process_images(self, mediaStreamMessage, rawBytes, size)",
            ),
            (
                "class Mine:\n    pass\n",
                "Mine",
                "Mine in {path} is no processor; allowed: a class with process(self, frames) or "
                "process_images(self, mediaStreamMessage, rawBytes, size)",
            ),
            (
                "class Mine:\n    def process(self, frames): pass\n",
                "Mine",
                "Mine in {path} has a process method and is no framewire.Processor; "
                "write class Mine(framewire.Processor)",
            ),
            (
                "import framewire\nclass Mine(framewire.Processor):\n    pass\n",
                "Mine",
                "Mine in {path} has no process method of its own; allowed: process(self, frames)",
            ),
            (
                "import framewire\nclass Mine(framewire.Processor):\n    class Options: pass\n"
                "    def process(self, frames): pass\n",
                "Mine",
                "Options of Mine in {path} is no dataclass; decorate it with @dataclass(frozen=True)",
            ),
        ],
    )
    def test_what_is_wrong_with_a_file_is_said_in_one_line(
        self, source: str, name: str, text: str, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "mine.py", source)
        assert refusal(f"{path}:{name}") == text.format(path=path)

    def test_a_missing_file_and_a_missing_class_name_are_refused(self, tmp_path: Path) -> None:
        gone = tmp_path / "gone.py"
        assert refusal(f"{gone}:Mine") == f"there is no file {gone}; give the path of a Python file, then :ClassName"
        assert refusal("mine.py") == "processor 'mine.py' names no class; allowed: mine.py:ClassName"

    def test_a_file_that_failed_can_be_loaded_once_it_is_right(self, tmp_path: Path) -> None:
        catalogue = Catalogue()
        path = written(tmp_path / "mine.py", "raise RuntimeError\n")
        with pytest.raises(ConfigurationError):
            catalogue.load(f"{path}:Mine")
        path.write_text(MINE + "\n# right now, and of another length\n")
        assert catalogue.load(f"{path}:Mine").factory.__name__ == "Mine"

    def test_the_cause_of_a_failed_import_is_kept(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Catalogue().load(f"{written(tmp_path / 'mine.py', '1 / 0')}:Mine")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


class TestModules:
    def test_a_class_of_a_package_is_loaded(self) -> None:
        kind = Catalogue().load("framewire.processors.builtin.echo:Echo")
        assert (kind.name, kind.factory) == ("framewire.processors.builtin.echo:Echo", Echo)

    def test_a_package_of_the_working_directory_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written(tmp_path / "package_of_mine" / "__init__.py", "")
        written(tmp_path / "package_of_mine" / "inner.py")
        monkeypatch.chdir(tmp_path)
        assert Catalogue().load("package_of_mine.inner:Mine").factory.__name__ == "Mine"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("no_such_package:Mine", "module 'no_such_package' cannot be imported: ModuleNotFoundError: "),
            ("framewire.errors:Mine", "framewire.errors has no class 'Mine'; allowed: none: it defines no processor"),
            (":Mine", "module '' cannot be imported: ValueError: Empty module name"),
            (".relative:Mine", "module '.relative' cannot be imported: TypeError: "),
        ],
    )
    def test_a_module_that_cannot_be_is_refused(self, text: str, problem: str) -> None:
        assert refusal(text).startswith(problem)


class TestOldClasses:
    @pytest.mark.parametrize("method", ["process_images", "ProcessImages"])
    def test_one_is_adapted_and_takes_any_configuration(self, method: str, tmp_path: Path) -> None:
        path = written(tmp_path / "old.py", f"class Old:\n    'Counts cars.'\n    def {method}(self, m, r, s): pass\n")
        kind = Catalogue().load(f"{path}:Old")
        assert kind.takes_any_configuration
        assert (kind.factory.__name__, kind.factory.__doc__) == ("Old", "Counts cars.")
        assert dataclasses.fields(kind.factory.Options) == ()

    def test_one_that_has_a_process_method_of_its_own_is_one_all_the_same(self, tmp_path: Path) -> None:
        source = "class Old:\n    def process_images(self, m, r, s): pass\n    def process(self, image): pass\n"
        path = written(tmp_path / "old.py", source)
        assert Catalogue().load(f"{path}:Old").takes_any_configuration

    def test_one_is_named_among_the_classes_of_its_file(self, tmp_path: Path) -> None:
        path = written(tmp_path / "old.py", "class Old:\n    def process_images(self, m, r, s): pass\n")
        assert refusal(f"{path}:New") == f"{path} has no class 'New'; allowed: Old"

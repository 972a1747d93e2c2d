"""``framewire processors``: what is installed."""

from pathlib import Path

import pytest
from command_line import documents, framewire, framewire_here, refused, serving

TOYS = Path(__file__).parent / "watching.py"


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, str]:
    """An environment in which two packages of third parties are installed, one of them broken."""
    for name, module, points in [
        ("acme-vision", "acme_vision", "acme-boxes = acme_vision:Boxed\nacme-lost = acme_vision:NoSuchClass\n"),
        ("wrecked", "wrecked", "wrecked = wrecked:Processor\n"),
    ]:
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[framewire.processors]\n{points}")
    (tmp_path / "acme_vision.py").write_text(TOYS.read_text())
    (tmp_path / "wrecked.py").write_text("raise RuntimeError('built for another machine')\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_the_built_in_ones_are_listed_with_their_options() -> None:
    finished = framewire("processors")
    assert (finished.returncode, finished.stderr) == (0, "")
    blocks = [block.splitlines() for block in finished.stdout.strip().split("\n\n")]
    assert [block[0] for block in blocks] == [
        "color-intensity  (framewire)",
        "echo  (framewire)",
        "motion  (framewire)",
        "null  (framewire)",
    ]
    assert blocks[0][1:] == [
        "    Says whether a frame is dark or light.",
        "    --option threshold=<float>  a grey mean below it is dark (0 to 255); default 127.0",
    ]
    assert [line.split("=")[0] for line in blocks[2][2:]] == [
        "    --option threshold",
        "    --option minimum_area",
        "    --option learning_rate",
    ]


def test_one_of_them_by_its_name() -> None:
    finished = framewire("processors", "echo")
    assert finished.returncode == 0
    assert finished.stdout.splitlines()[0] == "echo  (framewire)"
    assert "null" not in finished.stdout


def test_one_of_a_file() -> None:
    finished = framewire("processors", f"{TOYS}:Boxed")
    assert finished.returncode == 0
    assert finished.stdout == (
        f"{TOYS}:Boxed\n"
        "    Finds the same box in every frame.\n"
        "    --option l=<float>  default 0.0\n"
        "    --option t=<float>  default 0.0\n"
        "    --option w=<float>  default 1.0\n"
        "    --option h=<float>  default 1.0\n\n"
    )


def test_a_class_with_process_images(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "class Old:\n    def process_images(self, message, raw, size):\n        return message\n"
    )
    finished = framewire("processors", "old.py:Old", cwd=tmp_path)
    assert finished.returncode == 0
    assert "A process_images class: it has no options and takes any extension configuration." in finished.stdout


def test_one_that_there_is_not() -> None:
    assert refused("processors", "ecco") == (
        "there is no processor 'ecco'; did you mean 'echo'?; allowed: color-intensity, echo, motion, null"
    )


def test_those_of_third_parties_are_listed_and_a_broken_one_hides_nobody(packages: dict[str, str]) -> None:
    finished = framewire("processors", env=packages)
    assert finished.returncode == 1
    assert finished.stderr == ""
    assert "acme-boxes  (acme-vision)\n    Finds the same box in every frame.\n" in finished.stdout
    assert (
        "wrecked\n    cannot be used: processor 'wrecked' cannot be imported: RuntimeError: built for another machine"
        in finished.stdout
    )
    assert "acme-lost\n    cannot be used: " in finished.stdout
    assert "null  (framewire)\n" in finished.stdout


def test_those_of_third_parties_are_used_by_their_names(packages: dict[str, str]) -> None:
    with serving("--processor", "acme-boxes", "--option", "w=0.5", env=packages) as server:
        finished = framewire_here("send", "test:size=64x48,frames=1", "--to", server.address)
        assert documents(finished.stdout)[0]["inferences"][0]["entity"]["box"] == {"l": 0, "t": 0, "w": 0.5, "h": 1}
        # A session may name it, too, and one that is broken harms only who asks for it.
        finished = framewire_here(
            *("send", "test:size=64x48,frames=1", "--to", server.address),
            *("--extension-configuration", '{"processor":"wrecked"}'),
        )
        assert finished.returncode == 1
        assert "INTERNAL: the processor cannot take this session" in finished.stderr
        finished = framewire_here(
            *("send", "test:size=64x48,frames=1", "--to", server.address),
            *("--extension-configuration", '{"processor":"acme-boxes","options":{"h":0.25}}'),
        )
        assert documents(finished.stdout)[0]["inferences"][0]["entity"]["box"]["h"] == 0.25
    assert refused("serve", "--processor", "wrecked", env=packages) == (
        "processor 'wrecked' cannot be imported: RuntimeError: built for another machine; "
        "run with --log-level debug to see where"
    )

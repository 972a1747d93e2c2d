"""Messages as lines: on pipes that are slow or gone, in files, on disks that are full."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent

import pytest

from framewire.errors import ConfigurationError
from framewire.hub import DropCause, Envelope, HubMessage, Publisher, open_publisher
from framewire.hub.lines import LinePublisher
from framewire.model.inference import Event

ENVELOPE = Envelope("avaedge", "p")

Opening = Callable[..., AsyncIterator[Publisher]]


def message(name: str) -> HubMessage:
    return ENVELOPE.inference("n", "o", 0, [Event(name)])


def event() -> HubMessage:
    return ENVELOPE.event("Diagnostics.RuntimeError", "sources", "s", {}, 0)


def names(text: str) -> list[str]:
    return [json.loads(line)["body"]["inferences"][0]["event"]["name"] for line in text.splitlines()]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


def in_a_process(code: str, **pipes: object) -> subprocess.Popen[str]:
    preamble = """
        import asyncio, sys
        from framewire.hub import Envelope, open_publisher
        from framewire.model.inference import Event

        ENVELOPE = Envelope("avaedge", "p")

        def message(name):
            return ENVELOPE.inference("n", "o", 0, [Event(name)])

        def say(text):
            print(text, file=sys.stderr, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", dedent(preamble) + dedent(code)],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **pipes},
    )


async def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text("earlier\n")
    publisher = open_publisher(str(path))
    await publisher.open()
    publisher.publish(message("grün"))
    publisher.publish(event())
    await publisher.close(5)
    assert path.read_text("utf-8").splitlines() == ["earlier", message("grün").to_json(), event().to_json()]
    assert publisher.statistics().document() == {
        "published": 2,
        "resumed": 0,
        "delivered": 2,
        "waiting": 0,
        "waiting_bytes": 0,
        "dropped": {},
        "is_connected": False,
        "connections": 1,
        "last_error": "",
    }


async def test_bodies_alone_are_those_of_inferences(tmp_path: Path) -> None:
    publisher = open_publisher(str(tmp_path / "bodies"), is_body_only=True)
    await publisher.open()
    publisher.publish(event())
    publisher.publish(message("a"))
    await publisher.close(5)
    assert (tmp_path / "bodies").read_text() == (
        '{"timestamp":0,"inferences":[{"type":"event","event":{"name":"a","properties":{}}}]}\n'
    )
    assert publisher.statistics().published == 1


async def test_after_the_end_messages_are_counted_as_dropped(tmp_path: Path) -> None:
    publisher = open_publisher(str(tmp_path / "f"))
    await publisher.open()
    await publisher.close(5)
    await publisher.close(5)
    publisher.publish(message("late"))
    assert publisher.statistics().dropped == {DropCause.CLOSED: 1}


async def test_one_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    await open_publisher(str(tmp_path / "f")).close(5)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (os.mkfifo, "nobody reads this pipe"),
        (lambda path: path.symlink_to("missing/there"), "No such file or directory"),
    ],
)
async def test_a_file_that_cannot_be_opened(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "f"
    make(path)
    with pytest.raises(ConfigurationError) as refused:
        await open_publisher(str(path)).open()
    assert str(refused.value) == (
        f"{path} cannot be opened for messages ({reason}); choose a file in a folder that exists"
    )


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("amqp://user:secret@hub/x", "messages cannot go to amqp://..."),
        ("", "the output has no name"),
        ("mqtt://user:secret@broker", "the address of the broker has no prefix"),
    ],
)
def test_an_output_that_is_none(spec: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_publisher(spec)
    assert refused.value.problem == complaint
    assert "secret" not in str(refused.value)


def test_each_line_is_there_at_once() -> None:
    process = in_a_process(
        """
        async def main():
            publisher = open_publisher("-")
            await publisher.open()
            for name in ("a", "b"):
                publisher.publish(message(name))
                await asyncio.to_thread(sys.stdin.readline)
            await publisher.close(5)
            say(publisher.statistics().delivered)

        asyncio.run(main())
        """
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert names(process.stdout.readline()) == ["a"]
    process.stdin.write("\n")
    process.stdin.flush()
    assert names(process.stdout.readline()) == ["b"]
    out, err = process.communicate("\n", timeout=30)
    assert (out, err) == ("", "2\n")


def test_a_reader_that_goes_is_noticed_and_nothing_is_said() -> None:
    process = in_a_process(
        """
        async def main():
            publisher = open_publisher(None)
            await publisher.open()
            try:
                while True:
                    publisher.publish(message("a"))
                    await asyncio.sleep(0.001)
            except BrokenPipeError:
                await publisher.close(5)
                document = publisher.statistics().document()
                say(document["last_error"])
                say(document["published"] == document["delivered"] + document["dropped"]["closed"])

        asyncio.run(main())
        """
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert names(process.stdout.readline()) == ["a"]
    process.stdout.close()
    assert process.stderr.read() == "nobody reads stdout any more\nTrue\n"
    assert process.wait(30) == 0
    process.stderr.close()
    process.stdin.close()  # type: ignore[union-attr]


def test_a_reader_that_stands_still_stops_nothing_and_the_oldest_make_room() -> None:
    process = in_a_process(
        """
        async def main():
            publisher = open_publisher("-", note=say)
            await publisher.open()
            large = "x" * 100_000
            for number in range(200):
                publisher.publish(message(f"{number} {large}"))
                await asyncio.sleep(0)
            document = publisher.statistics().document()
            say(document["waiting_bytes"] <= 8 << 20)
            say(document["published"] == document["delivered"] + document["waiting"] + document["dropped"]["full"])
            await asyncio.to_thread(sys.stdin.readline)
            await publisher.close(20)
            document = publisher.statistics().document()
            say(document["published"] == document["delivered"] + document["dropped"]["full"])
            say(document["dropped"]["full"])

        asyncio.run(main())
        """
    )
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(2)] == ["True\n", "True\n"]
    out, err = process.communicate("\n", timeout=30)
    said = err.splitlines()
    numbers = [int(name.split()[0]) for name in names(out)]
    assert said[0] == "True"
    assert len(numbers) == 200 - int(said[1])
    assert int(said[1]) > 100
    assert numbers == sorted(numbers)
    assert numbers[0] == 0  # it was on its way already
    assert numbers[-1] == 199


def test_who_waits_for_room_loses_nothing() -> None:
    process = in_a_process(
        """
        async def main():
            publisher = open_publisher("-")
            await publisher.open()
            large = "x" * 100_000
            for number in range(200):
                await publisher.room()
                publisher.publish(message(f"{number} {large}"))
            await publisher.close(20)
            say(publisher.statistics().document()["dropped"])

        asyncio.run(main())
        """
    )
    out, err = process.communicate(timeout=60)
    assert err == "{}\n"
    assert [int(name.split()[0]) for name in names(out)] == list(range(200))


def test_a_reader_that_never_comes_does_not_keep_us_from_ending() -> None:
    read_end, write_end = os.pipe()
    try:
        process = in_a_process(
            """
            async def main():
                publisher = open_publisher("-")
                await publisher.open()
                for number in range(10):
                    publisher.publish(message("x" * 100_000))
                await publisher.close(0.1)
                document = publisher.statistics().document()
                say(document["waiting"], )
                say(document["dropped"]["closed"] + document["delivered"])

            asyncio.run(main())
            import os
            os._exit(0)
            """,
            stdout=write_end,
        )
        _, err = process.communicate(timeout=30)
        assert err == "0\n10\n"
        assert process.returncode == 0
    finally:
        os.close(read_end)
        os.close(write_end)


async def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    notes: list[str] = []
    publisher = LinePublisher(Path("/dev/full"), is_body_only=False, note=notes.append, retry_s=0.001)
    await publisher.open()
    for number in range(5):
        publisher.publish(message(f"{number}"))
        await asyncio.sleep(0.005)
    await until(lambda: bool(publisher.statistics().last_error))
    assert publisher.statistics().waiting == 5
    assert publisher.statistics().last_error == "/dev/full cannot be written: No space left on device"
    await publisher.close(0.05)
    assert publisher.statistics().dropped == {DropCause.CLOSED: 5}
    assert notes == ["/dev/full cannot be written: No space left on device; 8 MiB are kept until it can"]


async def test_a_named_pipe_whose_reader_goes_away_is_written_when_the_next_one_comes(tmp_path: Path) -> None:
    path, notes = tmp_path / "pipe", []
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    publisher = LinePublisher(path, is_body_only=False, note=notes.append, retry_s=0.001)
    await publisher.open()
    publisher.publish(message("heard"))
    await until(lambda: publisher.statistics().delivered == 1)
    assert names(os.read(first, 65_536).decode()) == ["heard"]
    os.close(first)
    publisher.publish(message("kept"))
    await until(lambda: bool(publisher.statistics().last_error))
    publisher.publish(message("kept too"))
    second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    await until(lambda: publisher.statistics().delivered == 3)
    assert names(os.read(second, 65_536).decode()) == ["kept", "kept too"]
    os.close(second)
    await publisher.close(1)
    assert notes == [
        f"{path} cannot be written: Broken pipe; 8 MiB are kept until it can",
        f"{path} can be written again",
    ]


def test_a_disk_that_has_room_again_gets_every_line_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    process = in_a_process(
        f"""
        import resource
        from pathlib import Path
        from framewire.hub.lines import LinePublisher

        def limit(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        async def main():
            publisher = LinePublisher(Path({str(path)!r}), is_body_only=False, note=say, retry_s=0.01)
            await publisher.open()
            limit(1000)  # in the middle of a line
            for number in range(20):
                publisher.publish(message(str(number)))
                await asyncio.sleep(0.002)
            while not publisher.statistics().last_error:
                await asyncio.sleep(0.001)
            limit(resource.RLIM_INFINITY)
            await publisher.close(20)
            say(publisher.statistics().delivered)

        asyncio.run(main())
        """
    )
    _, err = process.communicate(timeout=30)
    assert err.splitlines() == [
        f"{path} cannot be written: File too large; 8 MiB are kept until it can",
        f"{path} can be written again",
        "20",
    ]
    assert names(path.read_text()) == [str(number) for number in range(20)]


async def test_without_a_file_number_the_stream_itself_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """As when commands run inside a process that takes what they print."""
    publisher = open_publisher("-")
    await publisher.open()
    publisher.publish(message("ü"))
    await publisher.close(5)
    assert names(capsys.readouterr().out) == ["ü"]


def test_a_terminal_that_does_not_wait_gets_everything() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    process = in_a_process(
        """
        async def main():
            publisher = open_publisher("-")
            await publisher.open()
            for number in range(20):
                publisher.publish(message(f"{number} " + "x" * 20_000))
            await publisher.close(20)

        asyncio.run(main())
        """,
        stdout=write_end,
    )
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as reader:
        text = reader.read()
    assert [int(name.split()[0]) for name in names(text)] == list(range(20))
    assert process.communicate(timeout=30)[1] == ""

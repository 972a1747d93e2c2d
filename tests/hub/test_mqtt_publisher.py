"""Messages to a real broker: away, back, killed, refusing, full; nothing lost, everything in order."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mosquitto_broker import Broker, Watcher, make_certificate, until

from framewire.errors import ConfigurationError
from framewire.hub import DropCause, Envelope, HubMessage, parse_broker
from framewire.hub import broker as broker_module
from framewire.hub.backoff import BackoffOptions
from framewire.hub.mqtt import MqttOptions, MqttPublisher, folder_name
from framewire.model.inference import Event

ENVELOPE = Envelope("avaedge", "p")
QUICK = BackoffOptions(first_s=0.02, longest_s=0.05, refused_s=0.05)
LASTING = BackoffOptions(first_s=0.02, longest_s=0.05, refused_s=3600)


def message(number: int, output: str = "o") -> HubMessage:
    return ENVELOPE.inference("n", output, number, [Event(str(number))])


def numbers(seen: list[object]) -> list[int]:
    return [json.loads(item.payload)["timestamp"] for item in seen]  # type: ignore[attr-defined]


class Notes(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


@asynccontextmanager
async def publishing(
    address: str,
    folder: Path | None = None,
    *,
    close_s: float = 10,
    notes: Notes | None = None,
    mib: float = 16,
    backoff: BackoffOptions = QUICK,
) -> AsyncIterator[MqttPublisher]:
    publisher = MqttPublisher(
        parse_broker(address),
        MqttOptions(outbox_folder=folder, outbox_mib=mib, backoff=backoff),
        note=notes if notes is not None else Notes(),
    )
    await publisher.open()
    try:
        yield publisher
    finally:
        await publisher.close(close_s)


def url(broker: Broker, credentials: str = "") -> str:
    return f"mqtt://{credentials}127.0.0.1:{broker.port}/site"


def is_settled(publisher: MqttPublisher) -> bool:
    document = publisher.statistics().document()
    return bool(
        document["published"] + document["resumed"]
        == document["delivered"] + document["waiting"] + sum(document["dropped"].values())
    )


async def test_messages_arrive_with_their_properties_on_their_topics(broker: Broker, tmp_path: Path) -> None:
    async with Watcher(broker).watching() as seen, publishing(url(broker), tmp_path / "box") as publisher:
        publisher.publish(message(90_000, "inferenceOutput"))
        publisher.publish(ENVELOPE.event("Diagnostics.NetworkError", "sources", "s", {"code": "x"}, 0))
        await until(lambda: len(seen) == 2)
        assert publisher.statistics().is_connected
    inference, event = seen
    assert inference.topic == "site/messages/inferenceOutput"
    assert inference.payload == (
        '{"timestamp":90000,"inferences":[{"type":"event","event":{"name":"90000","properties":{}}}]}'
    )
    assert inference.content_type == "application/json"
    assert inference.properties == {
        "topic": "/framewire",
        "subject": "/edgeModules/avaedge/livePipelines/p/processors/n",
        "eventType": "Microsoft.VideoAnalyzer.Analytics.Inference",
        "eventTime": "1970-01-01T00:00:01.000Z",
        "dataVersion": "1.0",
    }
    assert (event.topic, event.payload) == ("site/events", '{"code":"x"}')
    assert event.properties["eventType"] == "Microsoft.VideoAnalyzer.Diagnostics.NetworkError"
    document = publisher.statistics().document()
    assert (document["published"], document["delivered"], document["dropped"]) == (2, 2, {})


@pytest.mark.parametrize("kind", ["folder", "memory"])
async def test_a_broker_that_dies_and_returns_gets_everything_in_order(
    broker: Broker, tmp_path: Path, kind: str
) -> None:
    notes = Notes()
    watcher = Watcher(broker)
    folder = tmp_path / "box" if kind == "folder" else None
    async with publishing(url(broker), folder, notes=notes) as publisher:
        async with watcher.watching() as seen:
            for number in range(50):
                publisher.publish(message(number))
            await until(lambda: len(seen) == 50)
            await until(lambda: publisher.statistics().delivered == 50)
        broker.kill()
        await until(lambda: not publisher.statistics().is_connected)
        for number in range(50, 300):
            publisher.publish(message(number))
        await until(lambda: publisher.statistics().waiting == 250)
        await until(lambda: notes)
        assert publisher.statistics().last_error.startswith(f"{url(broker)} ")
        broker.start()
        async with watcher.watching() as seen:
            await until(lambda: 299 in numbers(seen))
            await until(lambda: publisher.statistics().delivered == 300)
    # What the broker did not write down before it was killed, the watcher gets once more.
    assert list(dict.fromkeys(numbers(seen))) == list(range(300))
    assert publisher.statistics().connections == 2
    assert publisher.statistics().dropped == {}
    # Each thing is said once, however often it was tried.
    assert [note.partition(";")[0] for note in notes] == [
        f"{url(broker)} cannot be reached ([Errno 111] Connection refused)",
        f"{url(broker)} is there again",
    ]


async def test_a_connection_that_breaks_while_something_is_to_be_written_is_no_fault_of_the_loop() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    client = broker_module.Connection(parse_broker("mqtt://127.0.0.1/site"), None)._client
    ours, its = socket.socketpair()
    client._on_socket_register_write(client._client, None, ours)
    ours.close()
    its.close()
    await asyncio.sleep(0)
    assert faults == []


async def test_a_broker_that_dies_in_the_middle_gets_everything_at_least_once(broker: Broker, tmp_path: Path) -> None:
    watcher = Watcher(broker)
    async with publishing(url(broker), tmp_path / "box") as publisher:
        async with watcher.watching():
            pass
        for number in range(2000):
            publisher.publish(message(number))
        await until(lambda: publisher.statistics().delivered > 300)
        # It says good-bye to nobody, but has written what it has acknowledged.
        broker.stop()
        assert publisher.statistics().delivered < 2000
        await until(lambda: not publisher.statistics().is_connected)
        broker.start()
        async with watcher.watching() as seen:
            await until(lambda: publisher.statistics().delivered == 2000)
            await until(lambda: numbers(seen)[-1:] == [1999])
    arrived = numbers(seen)
    assert list(dict.fromkeys(arrived)) == list(range(2000))
    # What was under way may come twice: not more than the window.
    assert len(arrived) <= 2000 + 16


def outbox_process(address: str, folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    words = [str(Path(__file__).with_name("outbox_process.py")), address, str(folder), str(first), str(count)]
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)


async def tries(publisher: MqttPublisher, count: int) -> None:
    """Waits until it was tried so often to connect."""
    left = 2 * count

    def changed() -> None:
        nonlocal left
        left -= 1

    publisher._link._changed = changed
    await until(lambda: left <= 0)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def test_a_run_that_was_killed_is_continued_by_the_next(tmp_path: Path) -> None:
    """kill -9 with a full outbox, twice, then a run with the broker there."""
    broker = Broker(tmp_path / "broker")
    folder = tmp_path / "box"
    for first in (0, 500):
        process = outbox_process(url(broker), folder, first, 500)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert "all\n" in lines
        process.kill()
        process.wait()
        process.stdout.close()
    broker.start()
    watcher = Watcher(broker)
    notes = Notes()
    try:
        async with watcher.watching() as seen, publishing(url(broker), folder, notes=notes) as publisher:
            publisher.publish(message(1000))
            await until(lambda: publisher.statistics().delivered == 1001)
            await until(lambda: len(seen) == 1001)
            assert publisher.statistics().resumed == 1000
        assert numbers(seen) == list(range(1001))
        assert notes == [f"1000 messages of an earlier run wait for {url(broker)}"]
        # Nothing is left, and nothing comes twice.
        async with publishing(url(broker), folder) as publisher:
            await until(lambda: publisher.statistics().is_connected)
            assert publisher.statistics().resumed == 0
        assert publisher.statistics().delivered == 0
    finally:
        broker.kill()


async def test_a_run_that_is_killed_while_it_sends_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    watcher = Watcher(broker)
    async with watcher.watching():
        pass
    process = outbox_process(url(broker), tmp_path / "box", 0, 3000)
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        if line == "700\n":
            break
    process.kill()
    last = [line for line in process.stdout.read().splitlines() if line.isdecimal()]
    stored = int(last[-1]) if last else 700
    process.wait()
    process.stdout.close()
    async with watcher.watching() as seen, publishing(url(broker), tmp_path / "box") as publisher:
        await until(lambda: publisher.statistics().is_connected and publisher.statistics().waiting == 0)
        await until(lambda: numbers(seen)[-1] >= stored)
    arrived = list(dict.fromkeys(numbers(seen)))
    assert arrived == list(range(len(arrived)))
    assert len(arrived) in (stored + 1, stored + 2)


async def test_the_oldest_make_room_when_the_broker_stays_away(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    watcher = Watcher(broker)
    async with publishing(url(broker), tmp_path / "box", mib=0.0625) as publisher:
        for number in range(1000):
            publisher.publish(message(number))
        await until(lambda: is_settled(publisher) and publisher.statistics().dropped)
        statistics = publisher.statistics()
        assert statistics.waiting_bytes <= 64 << 10
        kept = statistics.waiting
        assert statistics.dropped[DropCause.FULL] == 1000 - kept
        broker.start()
        async with watcher.watching() as seen:
            await until(lambda: publisher.statistics().waiting == 0)
            await until(lambda: numbers(seen)[-1:] == [999])
    broker.kill()
    # Some may have left before the watcher came.
    arrived = numbers(seen)
    assert arrived == list(range(1000 - len(arrived), 1000))
    assert publisher.statistics().delivered == kept


async def test_closing_delivers_what_waits(broker: Broker, tmp_path: Path) -> None:
    async with Watcher(broker).watching() as seen:
        async with publishing(url(broker)) as publisher:
            # Not even connected yet.
            for number in range(100):
                publisher.publish(message(number))
        assert publisher.statistics().delivered == 100
        await until(lambda: len(seen) == 100)


async def test_closing_waits_for_no_broker_that_is_away_when_a_disk_has_it_all(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    notes = Notes()
    async with publishing(url(broker), tmp_path / "box", close_s=3600, notes=notes) as publisher:
        publisher.publish(message(1))
        publisher.publish(message(2))
        await until(lambda: notes)
    document = publisher.statistics().document()
    assert (document["published"], document["waiting"], document["dropped"]) == (2, 2, {})
    folder = tmp_path / "box" / folder_name(parse_broker(url(broker)))
    assert notes[-1] == f"2 messages for {url(broker)} are kept in {folder} for the next run"


async def test_closing_without_a_disk_says_what_is_lost(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    notes = Notes()
    async with publishing(url(broker), close_s=0.1, notes=notes) as publisher:
        publisher.publish(message(1))
    assert publisher.statistics().dropped == {DropCause.CLOSED: 1}
    assert publisher.statistics().waiting == 0
    assert notes[-1] == f"1 messages for {url(broker)} are lost: it did not take them in time"
    publisher.publish(message(2))
    assert publisher.statistics().dropped == {DropCause.CLOSED: 2}


def with_passwords(folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    # The hash of "right" as mosquitto_passwd writes it, with a salt of zeros.
    import base64
    import hashlib

    digest = hashlib.pbkdf2_hmac("sha512", b"right", bytes(12), 101)
    text = f"cam:$7$101${base64.b64encode(bytes(12)).decode()}${base64.b64encode(digest).decode()}\n"
    (folder / "passwords").write_text(text)
    return ["allow_anonymous false", f"password_file {folder / 'passwords'}"]


@pytest.mark.parametrize(
    ("credentials", "who"), [("cam:wrong@", "as user 'cam'"), ("", "without credentials"), ("x@", "as user 'x'")]
)
async def test_wrong_credentials_are_told_without_the_password(tmp_path: Path, credentials: str, who: str) -> None:
    broker = Broker(tmp_path / "broker", *with_passwords(tmp_path / "broker")).start()
    notes = Notes()
    try:
        async with publishing(url(broker, credentials), close_s=0.1, notes=notes) as publisher:
            publisher.publish(message(1))
            await until(lambda: notes)
            assert publisher.statistics().waiting == 1
    finally:
        broker.kill()
    assert notes[0].startswith(
        f"{url(broker)} does not let us in {who} (reason 0x87); check user, password and permissions; next try in "
    )
    assert "wrong" not in "".join(notes)


async def test_credentials_that_become_right_are_found_out(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", *with_passwords(tmp_path / "broker")).start()
    try:
        async with publishing(url(broker, "cam:right@"), tmp_path / "box") as publisher:
            publisher.publish(message(1))
            await until(lambda: publisher.statistics().delivered == 1)
        async with publishing(url(broker, "cam:later@"), tmp_path / "box") as publisher:
            publisher.publish(message(2))
            await until(lambda: "does not let us in" in publisher.statistics().last_error)
            broker.stop()
            broker.configure()
            broker.start()
            await until(lambda: publisher.statistics().delivered == 1)
    finally:
        broker.kill()


async def test_a_topic_that_may_not_be_written_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "acl").write_text("topic read site/#\ntopic write site/messages/open\n")
    broker = Broker(tmp_path / "broker", f"acl_file {tmp_path / 'broker' / 'acl'}").start()
    notes = Notes()
    try:
        async with (
            Watcher(broker).watching() as seen,
            publishing(url(broker), tmp_path / "box", notes=notes, backoff=LASTING) as publisher,
        ):
            for number in range(10):
                publisher.publish(message(number, "open" if number % 2 else "shut"))
            await until(lambda: publisher.statistics().waiting == 0)
            await until(lambda: 9 in numbers(seen))
            # mosquitto 2.0 hangs up at the first message, and no other is tried on that topic for a while.
            assert publisher.statistics().connections <= 3
    finally:
        broker.kill()
    assert list(dict.fromkeys(numbers(seen))) == [1, 3, 5, 7, 9]
    document = publisher.statistics().document()
    assert (document["delivered"], document["dropped"]) == (5, {"refused": 5})
    refusal = f"{url(broker)} refuses a message (reason 0x87); it and others like it are dropped"
    assert notes.count(refusal) == 1


async def test_a_message_that_the_broker_finds_too_large_is_dropped_alone(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", "message_size_limit 1000").start()
    try:
        async with Watcher(broker).watching() as seen, publishing(url(broker), tmp_path / "box") as publisher:
            publisher.publish(message(1))
            publisher.publish(ENVELOPE.inference("n", "o", 2, [Event("x" * 2000)]))
            publisher.publish(message(3))
            await until(lambda: publisher.statistics().waiting == 0)
            await until(lambda: 3 in numbers(seen))
    finally:
        broker.kill()
    # mosquitto 2.0 hangs up, so that what it said about the first one may be lost.
    assert list(dict.fromkeys(numbers(seen))) == [1, 3]
    assert publisher.statistics().dropped == {DropCause.REFUSED: 1}


async def test_a_message_over_which_the_broker_ends_the_connection_is_found_and_dropped(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", "max_packet_size 1500").start()
    notes = Notes()
    try:
        async with (
            Watcher(broker).watching() as seen,
            publishing(url(broker), tmp_path / "box", notes=notes) as publisher,
        ):
            for number in range(20):
                publisher.publish(
                    ENVELOPE.inference("n", "o", number, [Event("x" * 2000)]) if number == 7 else message(number)
                )
            await until(lambda: publisher.statistics().waiting == 0, publisher.statistics)
            await until(lambda: numbers(seen)[-1:] == [19])
    finally:
        broker.kill()
    assert list(dict.fromkeys(numbers(seen))) == [*range(7), *range(8, 20)]
    document = publisher.statistics().document()
    assert (document["delivered"], document["dropped"]) == (19, {"refused": 1})
    assert f"{url(broker)} refuses a message (reason 0x95); it and others like it are dropped" in notes


async def test_a_broker_that_takes_one_at_a_time_gets_one_at_a_time(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", "max_inflight_messages 1").start()
    try:
        async with Watcher(broker).watching() as seen, publishing(url(broker)) as publisher:
            for number in range(100):
                publisher.publish(message(number))
            await until(lambda: publisher.statistics().delivered == 100)
            await until(lambda: len(seen) == 100)
            assert publisher.statistics().connections == 1
            # mosquitto 2.0 would look away if it got more.
            assert publisher._delivery.room == 1
    finally:
        broker.kill()
    assert numbers(seen) == list(range(100))


async def test_odd_names_and_texts_arrive(broker: Broker, tmp_path: Path) -> None:
    address = f"mqtt://127.0.0.1:{broker.port}/w%20x/gr%C3%BCn"
    odd = HubMessage(
        {"a": "\x00\n日本"}, {"sub\x00ject": "\ud800 ü", "": "", "eventType": "x" * 60_000}, "a/+#%日 \x01"
    )
    async with Watcher(broker, "w x").watching() as seen, publishing(address, tmp_path / "box") as publisher:
        publisher.publish(odd)
        await until(lambda: len(seen) == 1)
    assert publisher.statistics().connections == 1
    (got,) = seen
    assert got.topic == "w x/grün/messages/a%2F%2B%23%25日 %01"
    assert json.loads(got.payload) == {"a": "\x00\n日本"}
    assert got.properties == {"sub\ufffdject": "? ü", "": "", "eventType": "x" * 60_000}


async def test_properties_that_mqtt_cannot_carry_are_counted(broker: Broker) -> None:
    async with publishing(url(broker)) as publisher:
        publisher.publish(HubMessage({}, {"subject": "x" * 65_536}, "o"))
        publisher.publish(HubMessage({}, {"x" * 65_536: ""}, "o"))
        publisher.publish(HubMessage({}, {}, "x" * 65_536))
        publisher.publish(HubMessage({}, {"subject": "x" * 65_535}, "o"))
        await until(lambda: publisher.statistics().delivered == 1)
    assert publisher.statistics().dropped == {DropCause.TOO_LARGE: 3}


async def test_a_topic_that_becomes_too_long_is_counted(broker: Broker) -> None:
    async with publishing(url(broker)) as publisher:
        publisher.publish(HubMessage({}, {}, "+" * 30_000))
        publisher.publish(message(1))
        await until(lambda: publisher.statistics().delivered == 1)
    assert publisher.statistics().dropped == {DropCause.TOO_LARGE: 1}
    assert publisher.statistics().connections == 1


async def test_a_record_that_is_no_message_is_skipped(broker: Broker, tmp_path: Path) -> None:
    from framewire.hub.segments import SegmentLog

    log = SegmentLog(tmp_path / "box" / folder_name(parse_broker(url(broker))), 1 << 20)
    log.append([(1, b"not\na message"), (2, b'["o",{}]\n{"timestamp":5}'), (3, b"{}\n"), (4, b'["o",[]]\n')])
    log.close()
    async with Watcher(broker).watching() as seen, publishing(url(broker), tmp_path / "box") as publisher:
        await until(lambda: publisher.statistics().waiting == 0)
        await until(lambda: len(seen) == 1)
    assert numbers(seen) == [5]
    assert publisher.statistics().dropped == {DropCause.UNREADABLE: 3}


async def test_a_broker_that_stands_still_gets_everything_when_it_goes_on(broker: Broker, tmp_path: Path) -> None:
    async with Watcher(broker).watching() as seen, publishing(url(broker), tmp_path / "box") as publisher:
        publisher.publish(message(0))
        await until(lambda: publisher.statistics().delivered == 1)
        broker.freeze()
        for number in range(1, 100):
            publisher.publish(message(number))
        await until(lambda: publisher.statistics().waiting == 99)
        broker.go_on()
        await until(lambda: publisher.statistics().delivered == 100)
        await until(lambda: len(seen) == 100)
    assert numbers(seen) == list(range(100))


async def test_a_broker_that_stands_still_does_not_hold_up_the_end(broker: Broker, tmp_path: Path) -> None:
    async with publishing(url(broker), tmp_path / "box", close_s=0.1) as publisher:
        await until(lambda: publisher.statistics().is_connected)
        broker.freeze()
        publisher.publish(message(1))
    assert (publisher.statistics().waiting, publisher.statistics().dropped) == (1, {})


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_an_encrypted_broker_is_checked(tmp_path: Path, is_trusted: bool) -> None:
    folder = tmp_path / "broker"
    files = await asyncio.to_thread(make_certificate, folder)
    broker = Broker(folder, *files).start()
    address = parse_broker(f"mqtts://127.0.0.1:{broker.port}/site")
    notes = Notes()
    options = MqttOptions(trusted_certificates=folder / "cert.pem" if is_trusted else None, backoff=QUICK)
    publisher = MqttPublisher(address, options, note=notes)
    await publisher.open()
    publisher.publish(message(1))
    try:
        if is_trusted:
            await until(lambda: publisher.statistics().delivered == 1)
        else:
            await until(lambda: notes)
            assert "certificate verify failed" in notes[0]
            before = open_files()
            await tries(publisher, 10)
            assert open_files() <= before + 1
    finally:
        await publisher.close(0.1)
        broker.kill()


def test_certificates_that_are_none_are_told(tmp_path: Path) -> None:
    address = parse_broker("mqtts://b/site")
    (tmp_path / "text").write_text("no certificate")
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path / "text", "it is no PEM file")):
        with pytest.raises(ConfigurationError) as refused:
            MqttPublisher(address, MqttOptions(trusted_certificates=path), note=Notes())
        assert str(refused.value) == f"the certificates {path} cannot be read ({reason})"


async def test_what_is_no_broker_is_told(tmp_path: Path) -> None:
    """A web server, a broker that only speaks MQTT 3 would say it itself; here somebody who just hangs up."""
    notes = Notes()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        listener.setblocking(False)
        server = await asyncio.start_server(answer, sock=listener)
        async with publishing(f"mqtt://127.0.0.1:{port}/site", close_s=0.1, notes=notes):
            await until(lambda: notes)
        server.close()
        await server.wait_closed()
    assert notes[0].startswith(f"mqtt://127.0.0.1:{port}/site cannot be reached (it closed the connection at once")


async def test_a_broker_that_stays_silent_is_given_up_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "_TIMEOUT_S", 0.05)
    notes = Notes()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with publishing(f"mqtt://127.0.0.1:{port}/site", close_s=0.1, notes=notes) as publisher:
            await until(lambda: notes)
            before = open_files()
            await tries(publisher, 6)
            assert open_files() <= before + 1
    assert notes[0].startswith(f"mqtt://127.0.0.1:{port}/site cannot be reached (Operation timed out); next try in ")


async def test_a_folder_in_use_is_refused(broker: Broker, tmp_path: Path) -> None:
    async with publishing(url(broker), tmp_path / "box"):
        with pytest.raises(ConfigurationError, match="another process uses the outbox"):
            async with publishing(url(broker), tmp_path / "box"):
                pass
        # Another prefix is another folder.
        async with publishing(url(broker) + "2", tmp_path / "box"):
            pass


def test_a_full_disk_stops_nothing_while_the_broker_is_there(broker: Broker, tmp_path: Path) -> None:
    """Files may not grow in this process: what cannot be kept is delivered all the same."""
    script = f"""
import asyncio, json, resource
from pathlib import Path
from framewire.hub import Envelope, open_publisher
from framewire.model.inference import Event

async def main():
    notes = []
    publisher = open_publisher({url(broker)!r}, outbox_folder=Path({str(tmp_path / "box")!r}), note=notes.append)
    await publisher.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    for number in range(200):
        publisher.publish(Envelope("m", "p").inference("n", "o", number, [Event("x")]))
        await asyncio.sleep(0)
    await publisher.close(20)
    print(json.dumps([notes, publisher.statistics().document()]))

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    notes, document = json.loads(done.stdout)
    assert (document["delivered"], document["waiting"], document["dropped"]) == (200, 0, {})
    assert len(notes) == 1
    assert "takes no more (File too large)" in notes[0]


async def test_nothing_leaks_while_the_broker_comes_and_goes(broker: Broker, tmp_path: Path) -> None:
    async with publishing(url(broker), tmp_path / "box") as publisher:
        await until(lambda: publisher.statistics().is_connected)
        counts = []
        for number in range(8):
            broker.kill()
            await until(lambda: not publisher.statistics().is_connected)
            publisher.publish(message(number))
            broker.start()
            await until(lambda wanted=number + 1: publisher.statistics().delivered == wanted)
            counts.append((open_files(), len(asyncio.all_tasks())))
    assert counts[2:] == [counts[2]] * 6


async def test_ten_refusals_leave_no_socket_behind(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", *with_passwords(tmp_path / "broker")).start()
    notes = Notes()
    try:
        async with publishing(url(broker, "cam:wrong@"), tmp_path / "box", notes=notes) as publisher:
            await until(lambda: notes)
            before = open_files()
            await tries(publisher, 10)
            assert open_files() <= before + 1
    finally:
        broker.kill()


@pytest.mark.parametrize("mib", [0, 0.06, float("nan"), 2_000_000])
def test_a_bound_that_is_none(mib: float) -> None:
    with pytest.raises(ConfigurationError, match="the outbox has"):
        MqttOptions(outbox_mib=mib)


def test_names_of_folders_are_plain_and_tell_places_apart() -> None:
    name: Callable[[str], str] = lambda text: folder_name(parse_broker(text))  # noqa: E731
    assert name("mqtt://broker/site") == "broker_1883_site-118b901f"
    assert name("mqtt://broker/a_b") != name("mqtt://broker/a/b")
    assert "/" not in name("mqtt://[::1]/" + "x/" * 100)
    assert len(name("mqtt://[::1]/" + "x/" * 100)) <= 73

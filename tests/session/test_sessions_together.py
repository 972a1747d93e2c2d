"""Client and server face to face, with delivery delayed and answers in any order."""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import given, settings
from hypothesis import strategies as st

from framewire.model.format import Encoding, VideoFormat
from framewire.model.message import Descriptor, Message, Sample
from framewire.session.client import Accepted, AnswerReceived, ClientSession, ClientState, Match
from framewire.session.server import DescriptorReceived, SampleReceived, ServerSession
from framewire.wire import decode, encode


@settings(max_examples=150)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.data())
def test_every_sample_is_answered_exactly_once_whatever_the_order(timestamps: list[int], data: st.DataObject) -> None:
    client, server = ClientSession(), ServerSession()
    upstream: deque[bytes] = deque()
    downstream: deque[bytes] = deque()
    processing: list[int] = []
    to_send = deque(timestamps)
    sent: dict[int, int] = {}
    answers: Counter[int] = Counter()
    identifiers: list[str] = []

    def client_sends() -> None:
        message = client.send(Sample(to_send.popleft(), b"frame"))
        assert isinstance(message.payload, Sample)
        sent[message.sequence_number] = message.payload.timestamp
        upstream.append(encode(message))

    def server_receives() -> None:
        match server.receive(decode(upstream.popleft())):
            case DescriptorReceived():
                downstream.append(encode(server.accept("framewire")))
            case SampleReceived(number):
                processing.append(number)

    def server_answers() -> None:
        place = data.draw(st.integers(0, len(processing) - 1))
        downstream.append(encode(server.reply(processing.pop(place))))

    def client_receives() -> None:
        match client.receive(decode(downstream.popleft())):
            case Accepted(descriptor):
                identifiers.append(str(descriptor.identifier))
            case AnswerReceived(match, number, sample, sent_timestamp):
                assert match is Match.MATCHED
                assert sample == Sample(sent[number])
                assert sent_timestamp == sent[number]
                answers[number] += 1

    upstream.append(encode(client.open(Descriptor("camera", video_format=VideoFormat(Encoding.JPG, 8, 8)))))
    while True:
        steps = []
        if client.state is ClientState.STREAMING and to_send:
            steps.append(client_sends)
        if upstream:
            steps.append(server_receives)
        if processing:
            steps.append(server_answers)
        if downstream:
            steps.append(client_receives)
        if not steps:
            break
        data.draw(st.sampled_from(steps))()

    assert identifiers == ["framewire"]
    assert answers == Counter(range(2, len(timestamps) + 2))
    assert list(sent.values()) == timestamps
    assert (client.in_flight, server.in_flight) == (0, 0)
    client.finish()
    server.receive_end()
    assert server.is_answered
    assert client.end() == 0


def test_a_server_that_ends_loses_exactly_what_it_had_not_answered() -> None:
    client, server = ClientSession(), ServerSession()
    server.receive(client.open(Descriptor("camera", video_format=VideoFormat(Encoding.JPG, 8, 8))))
    client.receive(server.accept("framewire"))
    for timestamp in range(5):
        server.receive(client.send(Sample(timestamp, b"frame")))
    answers: list[Message] = [server.reply(4), server.reply(2)]
    server.end()
    for answer in answers:
        client.receive(answer)
    assert client.end() == 3

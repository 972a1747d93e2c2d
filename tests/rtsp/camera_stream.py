"""The media of one test camera's session, from frames to packets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

from camera_behaviour import Behaviour
from camera_clips import EncodedClip
from rtp_packets import PAYLOAD_TYPES, goodbye, payloads_of, rtp_packet, sender_report

SSRC = 0x0CA3E7A0

Send = Callable[[bool, bytes], None]
"""Takes whether it is a report (RTCP), and the packet."""


class CameraStream:
    """Sends a clip as it is told to.

    Args:
        clip: What to send.
        behaviour: How.
        send: Takes the packets; raises OSError when the other side is gone.
        stop: Ends it.
    """

    def __init__(self, clip: EncodedClip, behaviour: Behaviour, send: Send, stop: threading.Event) -> None:
        self._clip = clip
        self._behaviour = behaviour
        self._send = send
        self._stop = stop
        self._sequence = count()
        self.frames_sent = 0

    def play(self) -> bool:
        """Sends until it is through or stopped. Returns whether the connection shall be closed then."""
        behaviour = self._behaviour
        if behaviour.silent_at == "playing":
            self._stop.wait()
            return True
        start = time.monotonic()
        timestamp = behaviour.first_timestamp
        for index, (units, is_key, period_s, due_s) in enumerate(self._pictures()):
            timestamp += behaviour.jumps.get(index, 0)
            start += behaviour.pauses.get(index, 0.0)
            pause_s = 0.0 if math.isinf(behaviour.speed) else start + due_s / behaviour.speed - time.monotonic()
            if self._stop.is_set() or (pause_s > 0 and self._stop.wait(pause_s)):
                return True
            if behaviour.reports and (is_key or index == 0):
                self._send(True, sender_report(ssrc=SSRC, timestamp=timestamp, wall_s=time.time()))
            self._send_picture(index, units, timestamp)
            self.frames_sent += 1
            timestamp += round(period_s * 90_000)
        return self._finish(timestamp)

    def _pictures(self) -> Iterator[tuple[tuple[bytes, ...], bool, float, float]]:
        """Units, whether it is a key frame, seconds that it lasts, seconds since the first frame."""
        behaviour, clip = self._behaviour, self._clip
        place, due_s = 0, 0.0
        for index in count():
            if index == behaviour.frames:
                return
            if index in behaviour.clips:
                clip, place = behaviour.clips[index], 0
            picture = clip.pictures[place % len(clip.pictures)]
            # Another clip has other parameter sets, which no description has told.
            is_told = behaviour.parameter_sets == "sdp" and clip is self._clip
            sets = clip.parameter_sets if picture.is_key and not is_told else ()
            self._clip_now = clip
            yield sets + picture.units, picture.is_key, 1 / clip.frames_per_second, due_s
            due_s += 1 / clip.frames_per_second
            place += 1

    def _send_picture(self, index: int, units: tuple[bytes, ...], timestamp: int) -> None:
        codec = self._clip_now.codec
        if index in self._behaviour.corrupt:
            units = tuple(_corrupted(unit) for unit in units)
        payloads = payloads_of(codec, units)
        for number, payload in enumerate(payloads):
            sequence = next(self._sequence)
            if sequence in self._behaviour.lost:
                continue
            packet = rtp_packet(
                payload,
                payload_type=PAYLOAD_TYPES[codec],
                sequence=sequence,
                timestamp=timestamp,
                ssrc=SSRC,
                is_last=number == len(payloads) - 1,
            )
            self._send(False, packet)

    def _finish(self, timestamp: int) -> bool:
        then = self._behaviour.then
        if then == "end":
            self._send(True, goodbye(ssrc=SSRC))
        elif then == "stall":
            self._stop.wait()
        elif then == "chatter":
            while not self._stop.wait(0.05):
                self._send(True, sender_report(ssrc=SSRC, timestamp=timestamp, wall_s=time.time()))
        return True


def _corrupted(unit: bytes) -> bytes:
    """The same length and kind, and nonsense behind the first bytes."""
    return unit[:2] + bytes((byte * 7 + 31) & 0xFF | 1 for byte in unit[2:])

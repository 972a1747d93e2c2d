"""What a test camera does, and what it does wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from camera_clips import EncodedClip

Ending = Literal["end", "close", "drop", "stall", "chatter"]
"""`end` says goodbye, `close` closes the connection, `drop` breaks it (RST), `stall` keeps it open and sends nothing,
`chatter` does the same and sends reports without video."""


@dataclass(frozen=True)
class Behaviour:
    """One connection's worth of manners. The default is a good camera that sends its clip again and again for ever.

    Attributes:
        silent_at: Where it stops answering: `connect`, a method in capitals, or `playing` for no media after PLAY.
        status: What it answers to which method instead of 200.
        login: (user, password) that it wants.
        scheme: How it wants them.
        garbage: What it answers to everything, instead of RTSP.
        sdp: Its description, instead of a true one.
        frames: How many frames it sends, then `then`; None for ever.
        then: What it does after so many.
        speed: How many seconds of video it sends in one; `inf` for as fast as they are taken.
        parameter_sets: Whether it tells them in its description, before each key frame, or both.
        first_timestamp: RTP timestamp of the first frame. FFmpeg takes 0 for none and misplaces the first frame.
        jumps: Ticks of 1/90,000 s that are added to timestamps, by the number of the frame from which on.
        pauses: Seconds that it waits beyond the time of a frame, by the number of the frame.
        corrupt: Numbers of frames whose bytes are wrong.
        lost: Numbers of RTP packets that are not sent.
        clips: What it sends instead of its clip, by the number of the frame from which on.
        reports: Whether it sends sender reports, once before the first frame and then with every key frame.
    """

    silent_at: str | None = None
    status: Mapping[str, int] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    scheme: Literal["basic", "digest"] = "digest"
    garbage: bytes | None = None
    sdp: str | None = None
    frames: int | None = None
    then: Ending = "end"
    speed: float = 1.0
    parameter_sets: Literal["both", "sdp", "band"] = "both"
    first_timestamp: int = 123_456_789
    jumps: Mapping[int, int] = field(default_factory=dict)
    pauses: Mapping[int, float] = field(default_factory=dict)
    corrupt: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    clips: Mapping[int, EncodedClip] = field(default_factory=dict)
    reports: bool = True

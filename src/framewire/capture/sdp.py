"""What a session's media are, as a session description (RFC 8866).

FFmpeg keeps the camera's own description to itself, and a recording has none: this one is made from what is known of
the stream, in the same form, so that a consumer of the established event can read codec, size and parameter sets.
"""

from __future__ import annotations

import base64
import re

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")

_NAMES = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}

_SPS = 7
_H264_SETS = (_SPS, 8)
_H265_SETS = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


def describe(codec: str, size: tuple[int, int], extradata: bytes = b"") -> str:
    """Returns a description of one video.

    Args:
        codec: FFmpeg's name.
        size: (width, height) in pixels; zeros when not known yet.
        extradata: Parameter sets as FFmpeg has them: Annex B, as from RTSP, or the record of MP4 (ISO/IEC 14496-15).
    """
    payload = 26 if codec == "mjpeg" else 96
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", f"m=video 0 RTP/AVP {payload}"]
    lines.append(f"a=rtpmap:{payload} {_NAMES.get(codec, codec)}/90000")
    parameters: list[str] = []
    if codec == "h264":
        units = [unit for unit in _units(extradata, record=5) if unit[0] & 0x1F in _H264_SETS]
        parameters.append("packetization-mode=1")
        # RFC 6184, section 8.1: profile, constraints and level are the three bytes that follow the type.
        parameters += [f"profile-level-id={unit[1:4].hex().upper()}" for unit in units if unit[0] & 0x1F == _SPS][:1]
        if units:
            parameters.append("sprop-parameter-sets=" + ",".join(_text(unit) for unit in units))
    elif codec == "hevc":
        kinds = [(unit[0] >> 1 & 0x3F, unit) for unit in _units(extradata, record=22)]
        parameters += [f"{_H265_SETS[kind]}={_text(unit)}" for kind, unit in kinds if kind in _H265_SETS]
    if parameters:
        lines.append(f"a=fmtp:{payload} " + ";".join(parameters))
    if all(size):
        lines.append(f"a=framesize:{payload} {size[0]}-{size[1]}")
    return "\r\n".join(lines) + "\r\n"


def _text(unit: bytes) -> str:
    return base64.b64encode(unit).decode("ascii")


def _units(extradata: bytes, *, record: int) -> list[bytes]:
    """The units in extradata, without start codes or lengths.

    Args:
        extradata: See :func:`describe`.
        record: Where the lists of a configuration record begin.
    """
    if extradata[:1] != b"\x01":
        return [unit.rstrip(b"\0") for unit in _START_CODE.split(extradata) if unit.rstrip(b"\0")]
    if record == 5:  # avcC: one list with its count in 5 bits, then one with 8
        units, place = _counted(extradata, record + 1, extradata[record] & 0x1F if len(extradata) > record else 0)
        more, _ = _counted(extradata, place + 1, extradata[place] if len(extradata) > place else 0)
        return units + more
    units = []
    place = record + 1
    for _ in range(extradata[record] if len(extradata) > record else 0):  # hvcC: lists with a type and a count
        count = int.from_bytes(extradata[place + 1 : place + 3], "big")
        more, place = _counted(extradata, place + 3, count)
        units += more
    return units


def _counted(data: bytes, place: int, count: int) -> tuple[list[bytes], int]:
    """Reads units that have their length before them in two bytes. What is cut short is left out."""
    units = []
    for _ in range(count):
        length = int.from_bytes(data[place : place + 2], "big")
        unit = data[place + 2 : place + 2 + length]
        place += 2 + length
        if unit and len(unit) == length:
            units.append(unit)
        if place >= len(data):
            break
    return units, place

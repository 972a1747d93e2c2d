"""Options of the commands that play a camera."""

from __future__ import annotations

import re
from typing import Any

import click

from framewire.errors import ConfigurationError
from framewire.model.format import Encoding, PixelFormat

PIXEL_FORMATS = [member.name.lower() for member in PixelFormat if member is not PixelFormat.NONE]
"""The contract's names, in lower case."""

_MOST_PIXELS = 65_535


class Size(click.ParamType[tuple[int | None, int | None]]):
    """WxH in pixels; one of the two may be left out and follows the aspect."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, int | None]:
        """Width and height of a text, None for one that follows."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{0,5})x(\d{0,5})", value, re.ASCII)
        if match is None or value == "x" or "0" in (match[1], match[2]):
            self.fail(f"{value!r} is no size such as 416x416, 640x (height follows) or x360", param, ctx)
        width, height = (int(text) if text else None for text in match.groups())
        if max(width or 0, height or 0) > _MOST_PIXELS:
            self.fail(f"{value!r} is too large; allowed: up to {_MOST_PIXELS} pixels", param, ctx)
        return width, height


class Mode(click.ParamType[int]):
    """Permission bits in octal."""

    name = "octal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bits of a text."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"(0o)?[0-7]{3,4}", value, re.ASCII):
            self.fail(f"{value!r} is no permission such as 0600 or 0644", param, ctx)
        return int(value.removeprefix("0o"), 8)


def check_texts(configuration: str, user: str | None, password: str) -> None:
    """Refuses what cannot be sent as UTF-8: bytes of a command line, or of a variable, that are none."""
    for flag, text in (("--extension-configuration", configuration), ("--user", user or ""), ("--password", password)):
        if not is_utf8(text):
            shown = "***" if text is password else ascii(text)
            raise ConfigurationError(f"{flag} is {shown}", allowed="text in UTF-8")


def is_utf8(text: str) -> bool:
    """Whether a text of the command line or of a variable was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def chosen_form(encoding: str | None, pixel_format: str | None, quality: int | None) -> tuple[Encoding, PixelFormat]:
    """The form of the frames that the flags ask for; raises ConfigurationError for flags that do not go together."""
    if pixel_format is not None and encoding not in (None, "raw"):
        raise ConfigurationError(
            f"--pixel-format {pixel_format} implies raw and --encoding is {encoding}", remedy="leave one of them out"
        )
    form = Encoding.RAW if pixel_format is not None else Encoding[(encoding or "jpg").upper()]
    if quality is not None and form is not Encoding.JPG:
        raise ConfigurationError(f"--quality means nothing for {form.name.lower()}", allowed="--quality with jpg")
    if form is not Encoding.RAW:
        return form, PixelFormat.NONE
    return form, PixelFormat[(pixel_format or "rgb24").upper()]

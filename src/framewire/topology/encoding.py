"""From the bytes of a file to the text of a document."""

from __future__ import annotations

import codecs

from framewire.errors import ConfigurationError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_document(data: bytes, name: str) -> str:
    """The text of a document in UTF-8, or in UTF-16 as some shells of Windows write it.

    Args:
        data: The whole file.
        name: Of the file, for errors.

    Raises:
        ConfigurationError: It is neither.
    """
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{name} is no text in UTF-16", allowed="UTF-8") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8")
        line = good.count("\n") + 1
        column = len(good) - (good.rfind("\n") + 1) + 1
        raise ConfigurationError(
            f"{name} is no text in UTF-8: byte 0x{data[error.start]:02X} at {line}:{column}", allowed="UTF-8"
        ) from None

"""Answers that come packed, unpacked within a bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator


class PackingError(Exception):
    """An answer cannot be unpacked."""


async def unpacked(chunks: AsyncIterator[bytes], coding: str, most_bytes: int) -> AsyncIterator[bytes]:
    """Unpacks gzip and deflate; a small answer that becomes a large one is given up on the way."""
    if coding in ("identity", ""):
        async for chunk in chunks:
            yield chunk
        return
    # 32: a header of gzip or of zlib, whichever is there.
    unpacker = zlib.decompressobj(32 + zlib.MAX_WBITS)
    async for chunk in chunks:
        waiting = chunk
        while waiting and not unpacker.eof:
            try:
                yield unpacker.decompress(waiting, most_bytes + 1)
            except zlib.error:
                raise PackingError from None
            waiting = unpacker.unconsumed_tail

"""Logging of the commands: one line per event on stderr."""

from __future__ import annotations

import logging
import sys

LEVELS = ("debug", "info", "warning", "error")


class _Formatter(logging.Formatter):
    """``level: session 3: text``."""

    def format(self, record: logging.LogRecord) -> str:
        session = getattr(record, "session", None)
        where = f"session {session}: " if session is not None else ""
        text = f"{self.formatTime(record)} {record.levelname.lower()}: {where}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def configure_logging(level: str) -> None:
    """Sends the log to stderr from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def is_debugging() -> bool:
    """Whether errors should show their traceback."""
    return logging.getLogger().isEnabledFor(logging.DEBUG) and bool(logging.getLogger().handlers)

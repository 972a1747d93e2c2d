"""The log of a worker process: on stderr, in the form and from the levels of the process that started it."""

from __future__ import annotations

import logging
import pickle
import sys
from typing import TypeAlias

_Settings: TypeAlias = tuple[int, dict[str, int], tuple[int, bytes] | None]


def log_settings() -> bytes:
    """The levels of this process's loggers, and the form of what it writes to stderr."""
    levels = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET
    }
    settings: _Settings = (logging.root.level, levels, _handler())
    return pickle.dumps(settings, 5)


def apply_log_settings(data: bytes) -> None:
    """Sets the log of this process up; without a handler on stderr, warnings go there as Python has it."""
    settings: _Settings = pickle.loads(data)
    root_level, levels, handler = settings
    logging.root.setLevel(root_level)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if handler is not None:
        level, formatter = handler
        writing = logging.StreamHandler(sys.stderr)
        writing.setLevel(level)
        try:
            writing.setFormatter(pickle.loads(formatter))
        except Exception:  # of a class that only the main program has
            writing.setFormatter(None)
        logging.root.addHandler(writing)


def _handler() -> tuple[int, bytes] | None:
    for handler in logging.root.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.__stderr__):
            try:
                return handler.level, pickle.dumps(handler.formatter, 5)
            except Exception:  # a formatter of a program's own may hold anything
                return handler.level, pickle.dumps(None)
    return None

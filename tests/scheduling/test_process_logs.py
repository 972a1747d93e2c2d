"""The log of a worker process is set up as the one of its server is."""

from __future__ import annotations

import io
import logging
import pickle
import sys
from collections.abc import Iterator

import pytest

from framewire.scheduling.process_logs import apply_log_settings, log_settings


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """A root logger without handlers, put back as it was."""
    handlers, level = logging.root.handlers, logging.root.level
    logging.root.handlers = []
    yield logging.root
    logging.root.handlers = handlers
    logging.root.setLevel(level)


def written(monkeypatch: pytest.MonkeyPatch, settings: bytes) -> str:
    """What a process with these settings writes to stderr."""
    logging.root.handlers = []
    stderr = io.StringIO()
    with monkeypatch.context() as replaced:
        replaced.setattr(sys, "stderr", stderr)
        apply_log_settings(settings)
        logging.getLogger("toy").info("an info")
        logging.getLogger("toy").error("an error")
    return stderr.getvalue()


def test_form_and_levels_are_those_of_the_handler_on_stderr(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("<%(message)s>"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    settings = log_settings()
    handler.setLevel(logging.ERROR)
    assert written(monkeypatch, settings) == "<an info>\n<an error>\n"
    root.handlers = [handler]
    assert written(monkeypatch, log_settings()) == "<an error>\n"


def test_a_formatter_that_cannot_be_sent_leaves_the_plain_form(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Local(logging.Formatter):
        """Known here alone."""

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Local("<%(message)s>"))
    root.addHandler(handler)
    root.setLevel(logging.ERROR)
    assert written(monkeypatch, log_settings()) == "an error\n"


def test_a_form_that_only_the_main_program_has_is_left_out(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    formatter = b"cframewire.errors\nNoSuchFormatter\n."  # by reference, to a module of another content here
    assert written(monkeypatch, pickle.dumps((logging.ERROR, {}, (logging.NOTSET, formatter)))) == "an error\n"


def test_a_log_that_goes_elsewhere_leaves_warnings_to_python(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.addHandler(logging.StreamHandler(io.StringIO()))
    root.setLevel(logging.INFO)
    assert written(monkeypatch, log_settings()) == "an error\n"


def test_levels_of_single_loggers_are_kept(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    root.addHandler(logging.StreamHandler(sys.stderr))
    root.setLevel(logging.INFO)
    logger = logging.getLogger("toy")
    logger.setLevel(logging.ERROR)
    try:
        settings = log_settings()
        logger.setLevel(logging.NOTSET)
        assert written(monkeypatch, settings) == "an error\n"
    finally:
        logger.setLevel(logging.NOTSET)

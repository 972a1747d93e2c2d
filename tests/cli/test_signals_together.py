"""Signals that wrappers send twice at once."""

import signal

from command_line import serving


def test_two_signals_that_come_together_count_as_one() -> None:
    for _ in range(3):
        with serving() as server:
            server.send_signal(signal.SIGTERM)
            assert server.stop(signal.SIGTERM) == 0
            assert "second signal" not in server.stderr

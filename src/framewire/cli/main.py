"""The ``framewire`` command: its subcommands, and one line for every error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

import click

from framewire import __version__
from framewire.cli.bench import bench
from framewire.cli.check import check
from framewire.cli.demo import demo
from framewire.cli.logs import is_debugging
from framewire.cli.operations import operations
from framewire.cli.output import flush_streams, open_missing_streams, say
from framewire.cli.processors import processors
from framewire.cli.run import run as run_topology
from framewire.cli.runner import runner
from framewire.cli.schema import schema
from framewire.cli.send import send
from framewire.cli.serve import serve
from framewire.cli.validate import validate
from framewire.errors import ConfigurationError, FramewireError, ProcessorError

DONE, FAILED, WRONG_USAGE = 0, 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="framewire")
def cli() -> None:
    """Video frames in, inferences out: the Azure Video Analyzer gRPC extension contract."""
    # What its C core prints, we tell ourselves, in one line and with what to do.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


for command in (serve, send, run_topology, runner, operations, validate, schema, check, bench, processors, demo):
    cli.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; answers its exit code (0 done, 1 failed, 2 wrong usage or configuration)."""
    try:
        code = cli.main(None if arguments is None else list(arguments), prog_name="framewire", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return WRONG_USAGE
    except click.UsageError as error:
        return _complain(error.format_message(), WRONG_USAGE, help_of=error.ctx)
    except click.ClickException as error:
        return _complain(error.format_message(), FAILED)
    except ConfigurationError as error:
        return _complain(str(error), WRONG_USAGE, error)
    except ProcessorError as error:
        # The text of a processor that raised goes on with its traceback.
        return _complain(str(error).partition("\nTraceback (most recent call last)")[0], FAILED, error)
    except FramewireError as error:
        return _complain(str(error), FAILED, error)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", FAILED)
    except BrokenPipeError:
        # Whoever read our output has gone, and knows.
        return FAILED
    return code if isinstance(code, int) else DONE


def main() -> None:
    """Entry point of the console script."""
    open_missing_streams()
    try:
        code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else FAILED
    # Whatever comes now finds nothing to interrupt.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    flush_streams()
    if any(thread.daemon for thread in threading.enumerate()):
        # A camera or a model that does not return. Python would end its thread in the middle of foreign code, and C++
        # aborts the process for that.
        os._exit(code)
    sys.exit(code)


def _complain(text: str, code: int, error: BaseException | None = None, help_of: click.Context | None = None) -> int:
    hint = f"; see {help_of.command_path} --help" if help_of is not None else ""
    line = " ".join(text.split()).rstrip(".")
    say(f"framewire: {line}{hint}")
    if error is not None and is_debugging():
        sys.excepthook(type(error), error, error.__traceback__)
    return code

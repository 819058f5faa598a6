"""The command `ups`. Everything heavy is imported inside the commands, so that `ups --help` answers at once."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import tyro
from tyro.conf import subcommand

from ups import __version__
from ups.cli.bench import Bench
from ups.cli.convert import Convert
from ups.cli.data import Data
from ups.cli.experiments import Experiments
from ups.cli.export import Export
from ups.cli.predict import Predict, Quickstart
from ups.cli.report import Report
from ups.cli.show import PrintableFormatter, say
from ups.cli.stream import Stream
from ups.cli.train import Describe, Evaluate, FineTune, Fuse, Pack, Train
from ups.errors import UpsError

BAD_INPUT, FAILED, BUG, INTERRUPTED = 2, 1, 70, 130
"""Exit codes: something the user can put right, a run that failed or a reader that is gone, an error of ours, a signal."""
_BUG = (
    f"this is a bug in ups {__version__}, not in your input; please open an issue with the command and the lines above "
    "(CONTRIBUTING.md says what else helps)"
)

Command = (
    Annotated[Data, subcommand("data")]
    | Annotated[Train, subcommand("train")]
    | Annotated[FineTune, subcommand("fine-tune")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Fuse, subcommand("fuse")]
    | Annotated[Pack, subcommand("pack")]
    | Annotated[Predict, subcommand("predict")]
    | Annotated[Stream, subcommand("stream")]
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Describe, subcommand("describe")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[Quickstart, subcommand("quickstart")]
    | Annotated[Experiments, subcommand("experiments")]
    | Annotated[Report, subcommand("report")]
)
_DESCRIPTION = (
    f"One model for skeleton action recognition, early action prediction and 3D pose estimation (version {__version__}). "
    "Exit codes: 0 done, 1 the run failed, or nobody reads its output, 2 something about the input is wrong, 70 a bug "
    "in ups, 130 interrupted by Ctrl-C, SIGTERM or SIGHUP. With the environment "
    "variable UPS_TRACEBACK=1, errors come with their traceback."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` where None; returns the exit code. SystemExit: --help, or bad arguments (2)."""
    config = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that a terminal's encoding lacks are shown, not stumbled over
            stream.reconfigure(errors="backslashreplace")
    command = tyro.cli(Command, prog="ups", description=_DESCRIPTION, args=arguments, config=config)  # pyright: ignore
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters that the terminal's encoding lacks
    messages, log = logging.StreamHandler(), logging.getLogger("ups")
    messages.setFormatter(PrintableFormatter())
    log.addHandler(messages)
    log.setLevel(logging.INFO)
    try:
        with _ended_by_signals():
            command.run()
            if sys.stdout is not None:
                sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `ups ... | head`: nobody reads on
        return FAILED
    except (UpsError, OSError) as error:
        if os.environ.get("UPS_TRACEBACK"):
            raise
        _complain(error)
        return FAILED if isinstance(error, RuntimeError) else BAD_INPUT
    except Exception:
        for line in [*traceback.format_exc().rstrip().split("\n"), f"ups: {_BUG}"]:
            say(line, sys.stderr)
        return BUG
    finally:
        log.removeHandler(messages)
        _let_go_of_output()


def _complain(what: object) -> None:
    with suppress(OSError):  # the terminal may be gone
        say(f"ups: {what}", sys.stderr)


def _let_go_of_output() -> None:
    """What standard output can't take any more is dropped, so that Python does not fail over it when it ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, and the SIGHUP of a terminal that closes, end a command as Ctrl-C does: what is half-written is removed."""
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        known = []

    def end(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # nothing disturbs the removal
        raise KeyboardInterrupt

    before = {n: signal.signal(n, end) for n in known if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

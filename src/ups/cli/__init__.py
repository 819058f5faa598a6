"""The command `ups`. Everything heavy is imported inside the commands, so that `ups --help` answers at once."""

from __future__ import annotations

import io
import itertools
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Annotated, Any, get_args

import tyro
from tyro.conf import subcommand

from ups import __version__
from ups.cli.app import App
from ups.cli.batch import Batch
from ups.cli.bench import Bench
from ups.cli.calibrate import Calibrate
from ups.cli.convert import Convert
from ups.cli.data import Data
from ups.cli.doctor import Doctor
from ups.cli.draw import Show
from ups.cli.experiments import Experiments
from ups.cli.export import Export
from ups.cli.models import Models
from ups.cli.overview import misspelt_options, overview, wrapped
from ups.cli.predict import Predict, Quickstart
from ups.cli.push import Push
from ups.cli.report import Report
from ups.cli.serve import Serve
from ups.cli.setup import Setup
from ups.cli.show import PrintableFormatter, say, show
from ups.cli.stream import Stream
from ups.cli.train import Describe, Evaluate, FineTune, Fuse, Pack, Train
from ups.errors import UpsError, did_you_mean, lacking

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
    | Annotated[Calibrate, subcommand("calibrate")]
    | Annotated[Predict, subcommand("predict")]
    | Annotated[Stream, subcommand("stream")]
    | Annotated[App, subcommand("app")]
    | Annotated[Serve, subcommand("serve")]
    | Annotated[Batch, subcommand("batch")]
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Models, subcommand("models")]
    | Annotated[Push, subcommand("push")]
    | Annotated[Describe, subcommand("describe")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[Quickstart, subcommand("quickstart")]
    | Annotated[Experiments, subcommand("experiments")]
    | Annotated[Report, subcommand("report")]
    | Annotated[Setup, subcommand("setup")]
    | Annotated[Doctor, subcommand("doctor")]
)
COMMANDS: dict[str, type] = {get_args(each)[1].name: get_args(each)[0] for each in get_args(Command)}
"""Word -> what it runs."""
_CONFIG = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` where None; returns the exit code. SystemExit: --help, or bad arguments (2)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that a terminal's encoding lacks are shown, not stumbled over
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("NO_COLOR"):  # rich knows it, tyro does not
        vars(tyro).get("_experimental_options", {})["ansi_codes"] = False
    if not words or words[0] in ("-h", "--help", "--version"):
        say(f"ups {__version__}") if words == ["--version"] else show(overview(COMMANDS, __version__))
        return 0 if words else BAD_INPUT
    if words[0] not in COMMANDS and not words[0].startswith("--tyro-"):
        _complain(f"there is no command {words[0]!r}{did_you_mean(words[0], COMMANDS)}; `ups --help` lists them")
        return BAD_INPUT
    command = _parse(words)
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
    except Exception as error:
        if isinstance(error, ImportError) and (remedy := lacking(error)):
            _complain(remedy)
            return BAD_INPUT
        for line in [*traceback.format_exc().rstrip().split("\n"), f"ups: {_BUG}"]:
            say(line, sys.stderr)
        return BUG
    finally:
        log.removeHandler(messages)
        _let_go_of_output()


def _parse(words: list[str]) -> Any:
    """The command that the words make. SystemExit: --help, or words that make none, of which a misspelt one is told."""
    if {"-h", "--help"} & set(words) and (text := _help_of(words)):
        try:
            print(wrapped(text), flush=True)
        except BrokenPipeError:
            _let_go_of_output()
        raise SystemExit(0)
    try:
        return tyro.cli(Command, prog="ups", args=words, config=_CONFIG)  # pyright: ignore
    except BrokenPipeError:  # completion that nobody reads to its end
        _let_go_of_output()
        raise SystemExit(FAILED) from None
    except SystemExit as ended:
        if ended.code not in (0, None):
            path = list(itertools.takewhile(lambda word: not word.startswith("-"), words[:2]))
            for line in misspelt_options(words, _help_of(path) or _help_of(path[:1])):
                _complain(line)
        raise


def _help_of(words: list[str]) -> str:
    """What --help says of a command; "" where there is none."""
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(io.StringIO()):
        try:
            tyro.cli(Command, prog="ups", args=[*words, "--help"], config=_CONFIG)  # pyright: ignore
        except SystemExit as ended:
            return text.getvalue() if not ended.code else ""
    return text.getvalue()


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

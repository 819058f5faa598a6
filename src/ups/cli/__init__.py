"""The command `ups`. Everything heavy is imported inside the commands, so that `ups --help` answers at once."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
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
from ups.cli.stream import Stream
from ups.cli.train import Describe, Evaluate, FineTune, Fuse, Pack, Train
from ups.errors import UpsError

BAD_INPUT, FAILED, BUG, INTERRUPTED = 2, 1, 70, 130
"""Exit codes: something the user can put right, a run that failed, an error of ours, Ctrl-C."""
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
    "Exit codes: 0 done, 1 the run failed, 2 something about the input is wrong, 70 a bug "
    "in ups, 130 interrupted. With the environment "
    "variable UPS_TRACEBACK=1, errors come with their traceback."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` where None; returns the exit code. SystemExit: --help, or bad arguments (2)."""
    config = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone)
    command = tyro.cli(Command, prog="ups", description=_DESCRIPTION, args=arguments, config=config)  # pyright: ignore
    messages, log = logging.StreamHandler(), logging.getLogger("ups")
    log.addHandler(messages)
    log.setLevel(logging.INFO)
    try:
        command.run()
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("ups: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `ups ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (UpsError, OSError) as error:
        if os.environ.get("UPS_TRACEBACK"):
            raise
        print(f"ups: {error}", file=sys.stderr)
        return FAILED if isinstance(error, RuntimeError) else BAD_INPUT
    except Exception:
        traceback.print_exc()
        print(f"ups: {_BUG}", file=sys.stderr)
        return BUG
    finally:
        log.removeHandler(messages)

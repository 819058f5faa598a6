"""`ups --help` on one page, and what was probably meant where a command or an option is misspelt."""

from __future__ import annotations

import inspect
import itertools
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence

from ups.errors import did_you_mean

GROUPS: dict[str, tuple[str, ...]] = {
    "Ask a model": ("predict", "stream", "convert"),
    "Ask about many": ("serve", "batch"),
    "Your recordings": ("data",),
    "Train and measure": ("train", "fine-tune", "evaluate", "fuse", "experiments", "report"),
    "Models": ("models", "describe", "calibrate", "pack", "push", "export", "bench"),
    "Try and look": ("app", "show", "quickstart", "setup", "doctor"),
}
"""Commands by what they are for."""


def overview(commands: Mapping[str, type], version: str) -> str:
    """A line or two for each command, as wide as the terminal and at most 100 columns."""
    width = min(shutil.get_terminal_size().columns, 100)
    title = f"ups {version}: one model that recognises, anticipates and lifts human motion."
    lines = [*textwrap.wrap(title, width), "", "usage: ups COMMAND ...   ups COMMAND --help   ups --version"]
    indent = 2 + max(map(len, commands)) + 2
    for title, names in GROUPS.items():
        lines += ["", f"{title}:"]
        for name in names:
            first = f"  {name}".ljust(indent)
            lines += textwrap.wrap(
                _summary(commands[name]), width, initial_indent=first, subsequent_indent=" " * indent
            )
    codes = (
        "Exit codes: 0 done, 1 the run failed or nobody reads its output, 2 something about the input is wrong, 70 a bug "
        "in ups, 130 interrupted. With the environment variable UPS_TRACEBACK=1, errors come with their traceback."
    )
    return "\n".join([*lines, "", *textwrap.wrap(codes, width)])


def wrapped(help_text: str) -> str:
    """The help of a command with its paragraphs as wide as the terminal: tyro wraps options alone."""
    width = shutil.get_terminal_size().columns
    lines = (textwrap.wrap(line, width, break_long_words=False) or [""] if len(line) > width else [line] for line in
             help_text.rstrip().split("\n"))  # fmt: skip
    return "\n".join(itertools.chain.from_iterable(lines))


def _summary(command: type) -> str:
    """The first sentence of a command's docstring."""
    text = " ".join((inspect.getdoc(command) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def misspelt_options(words: Sequence[str], help_text: str) -> list[str]:
    """A line for every option among the words that the help of its command lacks, if it has one much like it."""
    known = set(re.findall(r"--[a-z][\w.-]*", help_text))
    wrong = [word.partition("=")[0] for word in words if re.fullmatch(r"--[A-Za-z][\w.-]*(=.*)?", word)]
    lines = []
    for word in dict.fromkeys(wrong):
        if word.replace("_", "-") not in known and (hint := did_you_mean(word, sorted(known))):
            lines.append(f"there is no option {word}{hint}")
    return lines

"""The paper's result tables as published (Foo et al., CVPR 2023, Tables 1 to 9), read from paper_tables.json beside it.

Numbers in square brackets are the paper's references. Tables 7 to 9 say in the text that early action prediction was
measured on NTU RGB+D 120, but their row of the full model repeats the NTU RGB+D 60 figures of Table 5, not those of
Table 6; their columns are therefore taken to be NTU RGB+D 60.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Column:
    """What a column shows, in the terms of our records (`ups.evaluation.results`).

    Attributes:
        heading: the paper's.
        result: "task/data set:protocol" that is measured.
        measure: which of its figures, see `ups.evaluation.results.measures`.
    """

    heading: str
    result: str
    measure: str


@dataclass(frozen=True)
class PublishedTable:
    """One of the paper's tables.

    Attributes:
        title: the paper's caption.
        unit: of its figures.
        first: heading of the column of names.
        columns: the others.
        rows: (name, figure of each column ...), figures as printed.
    """

    title: str
    unit: str
    first: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def header(self) -> tuple[str, ...]:
        """Headings of all columns."""
        return (self.first, *(column.heading for column in self.columns))


def published() -> dict[int, PublishedTable]:
    """Table number -> the paper's table."""
    tables = json.loads(resources.files("ups.experiments").joinpath("paper_tables.json").read_text(encoding="utf-8"))
    return {
        int(number): PublishedTable(
            table["title"],
            table["unit"],
            table["first"],
            tuple(Column(**column) for column in table["columns"]),
            tuple(tuple(row) for row in table["rows"]),
        )
        for number, table in tables.items()
    }

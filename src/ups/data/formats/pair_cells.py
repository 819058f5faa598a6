"""Tables whose cells hold a whole joint, "(x, y)" or "[x, y, score]", brought into columns of one number each."""

from __future__ import annotations

import re
from dataclasses import replace

from ups.data.formats.table import Table

_CELL = re.compile(r"[\[(]\s*([^\s,;()\[\]]+)[\s,;]+([^\s,;()\[\]]+)(?:[\s,;]+([^\s,;()\[\]]+))?\s*,?\s*[\])]")


def apart(table: Table) -> Table:
    """The table with columns NAME_x, NAME_y, and NAME_v where there is a third number, for every column of such cells.

    A third number is taken for a score; cells of another form become empty where the column has some of this one.
    """
    head: list[str] = []
    columns: list[list[str]] = []
    for i, name in enumerate(table.head):
        cells = [row[i] for row in table.rows]
        found = [_CELL.fullmatch(cell) if len(cell) < 200 else None for cell in cells]
        others = [cell for cell, match in zip(cells, found, strict=True) if match is None and cell]
        if not any(found) or any(re.search(r"\d", cell) for cell in others):
            head.append(name)
            columns.append(cells)
            continue
        for k, axis in enumerate("xyv", start=1):
            if k < 3 or any(match and match[3] for match in found):
                head.append(f"{name}_{axis}")
                columns.append([(match[k] or "") if match else "" for match in found])
    if len(head) == len(table.head):
        return table
    return replace(table, head=tuple(head), rows=[list(row) for row in zip(*columns, strict=True)])

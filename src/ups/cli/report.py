"""`ups report`: the paper's tables with ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.show import say


@dataclass
class Report:
    """Write the paper's Tables 1 to 9 and Figure 4 with our figures beside the published ones: Markdown and an HTML page."""

    results: Positional[tuple[Path, ...]]
    """Files that `ups evaluate` wrote, folders of runs, folders of `ups experiments`; all metrics.json below a folder
    are read."""
    output: Path = Path("report")
    """Folder for index.html, report.md and figures."""

    def run(self) -> None:
        """Read, write, print where."""
        from ups.evaluation.results import read_records
        from ups.experiments.paper_report import write_report

        say(write_report(read_records(self.results), self.output))

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
        from ups.errors import SettingError, UpsError
        from ups.evaluation.results import read_records
        from ups.experiments.paper_report import write_report

        records = read_records(self.results)
        try:
            page = write_report(records, self.output)
        except (UpsError, OSError):
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            files = ", ".join(map(str, self.results[:3])) + (", ..." if len(self.results) > 3 else "")
            raise SettingError(
                f"{files}: no report can be made of these figures ({error!r:.80}); one of the files isn't as `ups evaluate` "
                "writes it: try them one by one, and evaluate that model again"
            ) from error
        say(page)

"""`ups models`: which models there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ups.cli.show import answer, show


@dataclass
class Models:
    """List the models that come with the package, those fetched from the hub, and those in a folder of runs."""

    runs: Path = Path("runs")
    """Folder that is searched for checkpoints."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Read what each model says of itself, not its weights."""
        from rich.table import Table

        from ups.checkpoint.hub import cached
        from ups.checkpoint.known_models import PRETRAINED, model_facts

        found = dict(PRETRAINED) | cached()
        found |= {str(path.parent): path.parent for path in sorted(self.runs.glob("**/model.json"))}
        models = [{"model": name, **model_facts(folder)} for name, folder in found.items()]
        if self.json:
            answer({"models": models})
            return
        table = Table("model", "recipe", "steps", "tasks", "actions", "size")
        for facts in models:
            if "error" in facts:
                table.add_row(facts["model"], str(facts["error"]), "", "", "", "")
                continue
            size = f"{facts['bytes'] / 1e6:.0f} MB"
            row = (facts["recipe"], f"{facts['steps']:,}", ", ".join(facts["tasks"]), str(facts["actions"]), size)
            table.add_row(facts["model"], *row)
        show(table)

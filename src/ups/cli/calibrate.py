"""`ups calibrate`: how far a model's answers can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.show import say, show


@dataclass
class Calibrate:
    """Find out how far a model's answers can be believed, and keep that with the model.

    Its probabilities are sharpened or softened so that of the answers given with 90 % nine of ten are right, and it learns
    to tell when none of the candidates is shown. Training clips and recordings of other motion are used; the figures printed
    are of test clips.
    """

    model: Positional[Path]
    """Folder of the trained model."""
    stores: Path = Path("data")
    """Folder of the stores that it was trained on, and of those of other motion."""
    unknown: tuple[str, ...] = ("reactidle", "bandai_namco", "cmu_dance", "humaneva")
    """Stores of other motion; those that are not there are left out. Synthetic motion is used in any case."""
    clips: int = 300
    """Clips of each data set, at most."""
    output: Path | None = None
    """Folder of a calibrated copy; default: the model's own folder."""
    device: str | None = None
    """Where the model answers: cpu, cuda, cuda:1; default: a GPU if there is one."""

    def run(self) -> None:
        """Calibrate, write, print."""
        from rich.table import Table

        from ups.checkpoint.io import add_calibration, load, locate
        from ups.evaluation.calibrate import calibrate
        from ups.inference.predictor import Predictor
        from ups.runtime.device import choose_device

        predictor = Predictor(load(self.model), "32-true", choose_device(self.device))
        found, figures = calibrate(predictor, self.stores, self.unknown, self.clips)
        output = self.output or locate(self.model)
        add_calibration(self.model, found, output)
        table = Table("task", "temperature", "figure of test clips, %", "value")
        for task, values in figures.items():
            for i, (name, value) in enumerate(values.items()):
                left = (task, f"{found[task].temperature:.2f}") if i == 0 else ("", "")
                table.add_row(*left, name, f"{value:.1f}")
            table.add_section()
        show(table)
        say(f"{output}: calibrated")

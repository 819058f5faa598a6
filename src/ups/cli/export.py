"""`ups export`: a trained model as files for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.show import say


@dataclass
class Export:
    """Write one task of a model as ONNX and as programs of `torch.export` (docs/export.md)."""

    checkpoint: Positional[Path]
    """Folder of the trained model, or the name of one that comes with the package."""
    task: str
    """Task: estimate_pose, recognize_2d, anticipate or recognize_3d."""
    output: Path
    """Folder for the files; what stood there is replaced."""
    skeleton: str | None = None
    """Skeleton of the clips that will be asked about: a name, or a file that describes it; that of the task's first data
    set where not given."""
    int8: bool = False
    """Keep the weights of matrix products in the ONNX files in int8."""

    def run(self) -> None:
        """Export, and print what was written."""
        from ups.checkpoint.io import load
        from ups.inference.export import export
        from ups.skeletons import find_skeleton

        skeleton = find_skeleton(self.skeleton) if self.skeleton else None
        written = export(load(self.checkpoint), self.task, self.output, skeleton, self.int8)
        say(f"{self.output}: {self.task} for skeleton {written.name}, joints: {', '.join(written.joints)}")
        for path in sorted(self.output.iterdir()):
            say(f"{path.stat().st_size / 1e6:9.2f} MB  {path.name}")

"""What the user says about a recording that does not say it itself: options of every command that reads one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ups.pose import PoseSequence


@dataclass
class Repairs:
    """What is known of all recordings that they don't say themselves, see `ups.data.open_file.read_file`."""

    up: str | None = None
    """The axis of the recording that points up: y, -y, z, -z, x, -x; in 2D y, where y points up."""
    unit: str | None = None
    """Unit of 3D joints: m, cm, mm, in, ft."""
    coordinates: Literal["pixels", "fractions", "longer", "signed", "centred"] | None = None
    """Of 2D joints: fractions of the image, both of its longer side (longer), -1 to 1 across it (signed), or pixels from its
    middle (centred)."""
    rotate: Literal[90, 180, 270] | None = None
    """Turn the picture behind 2D joints clockwise by these degrees."""
    fix: tuple[Literal["swap-sides", "swap-xy", "score-z"], ...] = ()
    """Exchange left and right, exchange x and y, or take the third coordinate for a score."""

    def repairs(self) -> dict[str, Any]:
        """The options as `read_file` names them, those that were given."""
        given = {
            "up": self.up, "unit": self.unit, "coordinates": self.coordinates, "rotate": self.rotate, "fixes": self.fix,
        }  # fmt: skip
        return {name: value for name, value in given.items() if value}


@dataclass
class Recording(Repairs):
    """How a recording is to be read, see `ups.data.open_file.read_file`."""

    skeleton: str | None = None
    """Name of the skeleton, or a TOML file that describes it: what the joints are where the recording doesn't say, else
    those to keep."""
    fps: float | None = None
    """Frames per second, where the recording doesn't say."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, where a 2D recording doesn't say."""
    space: Literal["camera", "kinect", "world"] | None = None
    """Frame of 3D joints in metres, where the recording doesn't say: kinect (y up, z away from the sensor), camera (y down,
    z forward) or world (y up)."""
    joint_map: Path | None = None
    """TOML file that says which joint of the recording is which, see `ups data joints`; for a folder with clips.csv, by
    default joint_map.toml beside it."""

    def one_file(self) -> dict[str, Any]:
        """The options that are for one file only, as `read_file` names them."""
        return {"fps": self.fps, "space": self.space, **self.repairs()}

    def many_files(self) -> dict[str, Any]:
        """All options as `read_file` names them, for files of any folder."""
        options: dict[str, Any] = self.one_file() | {"image_size": self.image_size}
        for name in ("skeleton", "joint_map"):
            value = getattr(self, name)
            options[name] = os.path.abspath(value) if value and str(value).endswith(".toml") else value
        return options

    def read(self, file: Path) -> PoseSequence:
        """The recording in a file; raises as `read_file` does."""
        from ups.data.open_file import read_file

        return read_file(file, self.skeleton, image_size=self.image_size, joint_map=self.joint_map, **self.one_file())

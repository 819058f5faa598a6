"""What is known of the camera stays with a recording: in our files, in stores, and when its picture is turned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import random_clip

from ups.data.formats.native import write_file
from ups.data.formats.repair import rotated
from ups.data.open_file import read_file
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import PENN_13


def clip(
    name: str = "a", focal: float | None = 812.5, centre: tuple[float, float] | None = (498.0, 251.5)
) -> PoseSequence:
    return replace(random_clip(PENN_13, frames=4, space="image", label=-1), id=name, focal=focal, centre=centre)


def test_npz_gives_back_what_was_written(tmp_path):
    for known in (clip(), clip(centre=None), clip(focal=None, centre=None)):
        write_file(known, tmp_path / "a.npz")
        back = read_file(tmp_path / "a.npz")
        assert (back.focal, back.centre) == (known.focal, known.centre)


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_files_made_by_hand(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        fields = {"joints": clip().joints[0].tolist(), "skeleton": "penn-13", "fps": 30, "image_size": [1000, 500]}
        path.write_text(json.dumps(fields | {"focal": 900, "centre": [510, 240.5]}))
    else:
        head = ",".join(f"{joint}_{axis}" for joint in PENN_13.joints for axis in "xy")
        notes = "# image_size = 1000 x 500\n# fps = 30\n# focal = 900\n# centre = 510, 240.5\n"
        rows = "\n".join(",".join(f"{v:.1f}" for v in frame.ravel()) for frame in clip().joints[0])
        path.write_text(f"{notes}{head}\n{rows}\n")
    back = read_file(path)
    assert back.focal == 900 and back.centre == (510, 240.5)


@pytest.mark.parametrize(
    ("fields", "told"), [({"focal": -3}, "focal"), ({"centre": [1]}, "centre"), ({"centre": "x"}, "centre")]
)
def test_what_is_no_intrinsic_is_refused(fields, told, tmp_path):
    path: Path = tmp_path / "a.json"
    known = {"joints": clip().joints[0].tolist(), "skeleton": "penn-13", "fps": 30, "image_size": [1000, 500]}
    path.write_text(json.dumps(known | fields))
    with pytest.raises(DataError, match=told):
        read_file(path)


def test_a_store_keeps_them(tmp_path):
    for name, clips in (
        ("some", [clip("a"), clip("b", None, None), clip("c", 700.0, None)]),
        ("none", [clip("a", None, None)]),
    ):
        with StoreWriter(tmp_path / name, name, PENN_13, "image", ("x",), (), "none", True) as writer:
            for one in clips:
                writer.add(one, {})
        store = Store.open(tmp_path / name)
        assert [(store[i].focal, store[i].centre) for i in range(len(store))] == [(c.focal, c.centre) for c in clips]
        assert ("focal" in store.columns) is (name == "some")


def test_a_turned_picture_has_its_centre_turned():
    turned = rotated(clip(), 90)
    assert turned.image_size == (500, 1000) and turned.centre == (500 - 251.5, 498.0) and turned.focal == 812.5
    assert rotated(turned, 270).centre == clip().centre


def test_arrays_with_a_known_camera():
    known = pose_sequence(
        np.ones((3, 13, 2)), "penn-13", space="image", fps=30, image_size=(9, 9), focal=8.0, centre=(4, 5)
    )
    assert known.focal == 8.0 and known.centre == (4, 5)

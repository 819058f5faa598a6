"""Export of a store as PYSKL's and MMAction2's pickle of skeletons; see `ups.data.datasets.pyskl`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from ups.data.datasets.base import SPLITS
from ups.data.store.store import Store
from ups.files import write_whole
from ups.pose import PoseSequence


def export_pyskl(store: Store, path: Path | str) -> None:
    """Writes a store as such a pickle, of dicts, lists and arrays only; `pyskl_data_set` reads back every value.

    The format has no third split: what a protocol does not use is in none of its lists. The whole store is held in
    memory meanwhile.

    Raises:
        OSError: the file can't be written; an old one stays as it was.
    """
    split = {
        f"{protocol}_{ending}": [store.ids[i] for i in store.indices(protocol, split)]
        for protocol in store.protocols
        for split, ending in zip(SPLITS, ("train", "val"), strict=True)
    }
    record = {
        "split": split,
        "annotations": [_annotation(store[i]) for i in range(len(store))],
        "classes": list(store.classes),
        "skeleton": store.skeleton.to_dict(),
        "terms": store.terms,
    }
    write_whole(Path(path), lambda file: pickle.dump(record, file, protocol=4))


def _annotation(clip: PoseSequence) -> dict[str, Any]:
    values: dict[str, Any] = {
        "frame_dir": clip.id,
        "label": clip.label,
        "total_frames": clip.frames,
        "keypoint": clip.joints,
        "keypoint_score": clip.visibility,
        "fps": clip.fps,
        "subject": clip.subject,
        "view": clip.view,
        "space": clip.space,
    }
    if clip.image_size is not None:
        values["img_shape"] = values["original_shape"] = (clip.image_size[1], clip.image_size[0])
    if clip.pose_3d is not None:
        values["pose_3d"] = clip.pose_3d
    return values

"""Export of 2D clips with the 3D behind them in the layout that VideoPose3D reads its own data sets from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.native import write_npz
from ups.data.store.store import Store
from ups.errors import DataError
from ups.files import write_whole


def export_videopose3d(store: Store, folder: Path | str) -> tuple[Path, Path]:
    """Writes data_2d_NAME_gt.npz and data_3d_NAME.npz, NAME the store's, into `folder`.

        positions_2d[clip]["custom"] = [(N, J, 2)]    pixels; a list, as for one camera
        positions_3d[clip]["custom"] = (N, J, 3)      metres in the camera's frame: x right, y down, z forward
        metadata = {"layout_name", "num_joints", "keypoints_symmetry": [left, right], "video_metadata": {clip: {w, h}}}

    The clips take the place of VideoPose3D's subjects; of several persons each is one, called CLIP_person1 and so on.
    The format has no visibility, labels or splits. The arrays are pickled dicts, as VideoPose3D's are;
    `ups.data.formats.safe_pickle.load_object_npz` reads them. The whole store is held in memory meanwhile.

    Returns:
        The paths of the 2D and of the 3D file.

    Raises:
        DataError: the store has no 3D poses.
        OSError: a file can't be written; an old one stays as it was.
    """
    if not store.paired:
        raise DataError(f"{store.folder}: VideoPose3D's format is for 2D clips with 3D poses; this store has none")
    flat: dict[str, Any] = {}
    solid: dict[str, Any] = {}
    sizes: dict[str, dict[str, int]] = {}
    for i in range(len(store)):
        clip = store[i]
        assert clip.pose_3d is not None and clip.image_size is not None, "a paired store has both"
        for m in range(clip.persons):
            name = clip.id if clip.persons == 1 else f"{clip.id}_person{m + 1}"
            flat[name] = {"custom": [clip.joints[m]]}
            solid[name] = {"custom": clip.pose_3d[m]}
            sizes[name] = {"w": clip.image_size[0], "h": clip.image_size[1]}
    left, right = zip(*store.skeleton.mirror_pairs, strict=True) if store.skeleton.mirror_pairs else ((), ())
    metadata = {
        "layout_name": store.skeleton.name,
        "num_joints": len(store.skeleton),
        "keypoints_symmetry": [list(left), list(right)],
        "video_metadata": sizes,
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"data_2d_{store.name}_gt.npz", folder / f"data_3d_{store.name}.npz"
    for path, members in zip(
        paths, ({"positions_2d": flat, "metadata": metadata}, {"positions_3d": solid}), strict=True
    ):
        arrays = {key: np.array(value, dtype=object) for key, value in members.items()}
        write_whole(path, lambda file, arrays=arrays: write_npz(file, arrays, allow_pickle=True))
    return paths

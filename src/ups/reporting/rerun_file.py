"""Poses and what is done meanwhile as a recording of Rerun (.rrd), a viewer in which they can be turned and scrubbed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.errors import DataError, SettingError
from ups.files import write_whole
from ups.pose import PoseSequence
from ups.reporting.names import clean
from ups.reporting.poses import colour_of, upright

ENDING = ".rrd"


def save_rerun(
    sequences: Sequence[PoseSequence], path: str | Path, title: str = "", actions: Mapping[float, str] | None = None
) -> None:
    """Write poses to a file that `rerun FILE.rrd` opens, with a timeline `time` in seconds.

    Persons of 3D sequences are `world/person_1` and so on, in metres with y up; those of 2D ones `picture/person_1`, in
    pixels with y down, in the frame of the picture where its size is known. Joints carry their names; left ones and the
    bones that end in them are blue, right ones orange. Joints that are not seen are left out.

    Args:
        sequences: of any space, of one recording: what is seen of it, and the 3D poses behind it, say.
        path: the new file.
        title: name of the recording in the viewer.
        actions: second -> what is done from then on, shown as `action`.

    Raises:
        DataError: no joint is visible in any frame.
        SettingError: the library of Rerun is not installed.
        OSError: the file can't be written.
    """
    rerun = _library()
    if not any((sequence.visibility > 0).any() for sequence in sequences):
        raise DataError("no joint is visible in any of the frames to be drawn; give seen joints a visibility above 0")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}{ENDING}")  # the library writes to a name, not to an open file
    recording = rerun.RecordingStream("ups", recording_id=clean(title) or "poses")
    try:
        recording.save(part)
        recording.send_recording_name(clean(title) or path.stem)
        _describe(rerun, recording, sequences)
        for number, sequence in enumerate(sequences, 1):
            _log(rerun, recording, sequence, number)
        if actions:
            times = rerun.TimeColumn("time", duration=list(actions))
            texts = [clean(text) for text in actions.values()]
            recording.send_columns("action", [times], [*rerun.TextDocument.columns(text=texts)])
        recording.flush()
        recording.disconnect()
        write_whole(path, part.read_bytes())
    finally:
        part.unlink(missing_ok=True)


def _library() -> Any:
    try:
        import rerun  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise SettingError("files for Rerun need its library: pip install 'unified-pose-sequence[rerun]'") from error
    return rerun


def _describe(rerun: Any, recording: Any, sequences: Sequence[PoseSequence]) -> None:
    """What does not change: the joints' names and colours, which way is up, the picture's frame."""
    classes = []
    for number, sequence in enumerate(sequences, 1):
        skeleton = sequence.skeleton
        joints = [rerun.AnnotationInfo(i, joint, _rgba(joint)) for i, joint in enumerate(skeleton.joints)]
        info = rerun.AnnotationInfo(number, clean(skeleton.name))
        classes.append(rerun.ClassDescription(info=info, keypoint_annotations=joints))
        if sequence.space == "image" and sequence.image_size is not None:
            width, height = sequence.image_size
            frame = rerun.Boxes2D(
                array=[[0, 0, width, height]], array_format=rerun.Box2DFormat.XYWH, colors=[0x808080FF]
            )
            recording.log("picture", frame, static=True)
    recording.log("/", rerun.AnnotationContext(classes), static=True)
    recording.log("world", rerun.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)


def _log(rerun: Any, recording: Any, sequence: PoseSequence, number: int) -> None:
    """The persons of a sequence, whose joints are class `number`, in all its frames."""
    flat = sequence.space == "image"
    joints = sequence.joints if flat else upright(sequence.joints, sequence.space, sequence.skeleton)
    points, lines = (rerun.Points2D, rerun.LineStrips2D) if flat else (rerun.Points3D, rerun.LineStrips3D)
    times = rerun.TimeColumn("time", duration=np.arange(sequence.frames) / sequence.fps)
    bones = np.array(sequence.skeleton.bones).reshape(-1, 2)
    colours = np.array([_rgba(sequence.skeleton.joints[child]) for child, _ in bones])
    for m in range(sequence.persons):
        seen = sequence.visibility[m] > 0
        joint = points.columns(
            positions=joints[m][seen],
            keypoint_ids=np.broadcast_to(np.arange(seen.shape[1]), seen.shape)[seen],
            class_ids=np.full(int(seen.sum()), number),
        )
        entity = f"{'picture' if flat else 'world'}/person_{m + 1}"
        recording.log(entity, points.from_fields(show_labels=False), static=True)  # names are told where one points
        recording.send_columns(entity, [times], [*joint.partition(seen.sum(1))])
        drawn = seen[:, bones].all(-1)  # (N, bones)
        bone = lines.columns(
            strips=joints[m][:, bones][drawn], colors=np.broadcast_to(colours, drawn.shape)[drawn].astype(np.uint32)
        )
        recording.send_columns(f"{entity}/bones", [times], [*bone.partition(drawn.sum(1))])


def _rgba(joint: str) -> int:
    """A joint's colour as Rerun has it."""
    return int(f"{colour_of(joint)[1:]}ff", 16)

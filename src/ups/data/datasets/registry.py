"""Every data set that can be prepared, by name."""

from __future__ import annotations

from ups.data.datasets import (
    bandai_namco,
    cmu,
    h36m,
    humaneva,
    kard,
    kinetics,
    msr_action3d,
    ntu,
    nw_ucla,
    penn_action,
    reactidle,
    sbu,
    synthetic,
    utd_mhad,
)
from ups.data.datasets.base import DataSet

DATA_SETS: dict[str, DataSet] = {
    "nw_ucla": nw_ucla.DATA_SET,
    "utd_mhad": utd_mhad.DATA_SET,
    "msr_action3d": msr_action3d.DATA_SET,
    "penn_action": penn_action.DATA_SET,
    "kard_3d": kard.KARD_3D,
    "kard_2d": kard.KARD_2D,
    "sbu": sbu.DATA_SET,
    "ntu60": ntu.DATA_SET_60,
    "ntu120": ntu.DATA_SET_120,
    "ntu60_view_normalized": ntu.DATA_SET_60_VIEW_NORMALIZED,
    "ntu120_view_normalized": ntu.DATA_SET_120_VIEW_NORMALIZED,
    "kinetics_skeleton": kinetics.KINETICS_SKELETON,
    "kinetics_skeleton_per_frame": kinetics.KINETICS_SKELETON_PER_FRAME,
    "humaneva": humaneva.DATA_SET,
    "h36m_gt": h36m.H36M_GT,
    "h36m_cpn": h36m.H36M_CPN,
    "bandai_namco": bandai_namco.DATA_SET,
    "cmu_mocap": cmu.CMU_MOCAP,
    "cmu_dance": cmu.CMU_DANCE,
    "reactidle": reactidle.DATA_SET,
    "synthetic_3d": synthetic.SYNTHETIC_3D,
    "synthetic_2d": synthetic.SYNTHETIC_2D,
}


def prepared_otherwise(name: str) -> DataSet | None:
    """The data set of the catalogue whose recordings a store holds in another preparation, which its name says:
    "ntu60_hrnet" holds those of "ntu60"; None where it begins with no such name.
    """
    known = [other for other in DATA_SETS if name.startswith(f"{other}_")]
    return DATA_SETS[max(known, key=len)] if known else None

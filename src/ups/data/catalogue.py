"""Every data set that can be prepared, by name."""

from __future__ import annotations

from ups.data import bandai_namco, humaneva, kard, nw_ucla, penn_action, sbu, synthetic, utd_mhad
from ups.data.dataset import DataSet

DATA_SETS: dict[str, DataSet] = {
    "nw_ucla": nw_ucla.DATA_SET,
    "utd_mhad": utd_mhad.DATA_SET,
    "penn_action": penn_action.DATA_SET,
    "kard_3d": kard.KARD_3D,
    "kard_2d": kard.KARD_2D,
    "sbu": sbu.DATA_SET,
    "humaneva": humaneva.DATA_SET,
    "bandai_namco": bandai_namco.DATA_SET,
    "synthetic_3d": synthetic.SYNTHETIC_3D,
    "synthetic_2d": synthetic.SYNTHETIC_2D,
}

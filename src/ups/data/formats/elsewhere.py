"""Files that people of this field have and that are not read: what to do with them instead."""

from __future__ import annotations

from pathlib import Path

from ups.errors import DataError

_SCENE = "a scene; open it in Blender and export the armature as BVH (File > Export > Motion Capture)"
_PACKED = "packed; unpack it first"
_SHEET = "a spreadsheet; save the sheet as CSV"

HINTS: dict[str, str] = {
    ".fbx": "FBX, which no free library reads; Blender (File > Import > FBX, then Export > BVH), Autodesk's FBX Converter or "
    "Rokoko Studio make BVH of it",
    ".glb": _SCENE, ".gltf": _SCENE, ".vrm": _SCENE, ".dae": _SCENE, ".usd": _SCENE, ".usdz": _SCENE, ".blend": _SCENE,
    ".vmd": _SCENE,
    ".mot": "OpenSim's joint angles; give the .trc of markers that they were computed from",
    ".sto": "OpenSim's storage; give the .trc of markers that it was computed from",
    ".tak": "a take of Motive; export it as C3D, BVH or CSV",
    ".mvnx": "Xsens MVNX; export it as BVH or C3D from MVN",
    ".xlsx": _SHEET, ".xls": _SHEET, ".ods": _SHEET,
    ".nwb": "Neurodata Without Borders; save its poses with sleap-io as .slp, or as csv",
    ".parquet": "Parquet; save it with pandas: to_csv",
    ".feather": "Feather; save it with pandas: to_csv",
    ".pt": "a pickle of PyTorch, which may run code; save the array with numpy.savez",
    ".pth": "a pickle of PyTorch, which may run code; save the array with numpy.savez",
    ".zip": _PACKED, ".gz": _PACKED, ".tar": _PACKED, ".tgz": _PACKED, ".xz": _PACKED, ".7z": _PACKED, ".rar": _PACKED,
    ".xml": "XML, of CVAT perhaps; export it as COCO Keypoints from there, else save it as CSV or JSON",
    ".yaml": "YAML; save it as JSON", ".yml": "YAML; save it as JSON",
}  # fmt: skip
"""Ending in small letters -> what it is; what to do."""
_PACKED_STARTS = (b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00", b"BZh", b"7z\xbc\xaf")
_TEXTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".trc", ".bvh", ".skeleton", ".xml")


def check_start(path: Path) -> None:
    """Raises DataError for an empty file, and for one of text that is packed, whatever its ending says."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise DataError(f"{path}: an empty file; write or copy it again")
    if path.suffix.lower() in _TEXTS and start.startswith(_PACKED_STARTS):
        raise DataError(f"{path}: not text, but packed or a spreadsheet; unpack it, or save the sheet as CSV")

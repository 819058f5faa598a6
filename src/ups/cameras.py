"""Pinhole cameras: world to camera to pixels, the normalised screen, and synthetic cameras around a person.

Camera frame: metres, x right, y down, z forward (OpenCV). Quaternions are (w, x, y, z) and turn camera axes into world
axes, the convention of VideoPose3D. Everything is computed in float64 and returned so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ups.errors import SettingError


@dataclass(frozen=True)
class Camera:
    """One pinhole camera without lens distortion.

    Attributes:
        orientation: (4,) unit quaternion w x y z, camera axes -> world axes.
        translation: (3,) metres, the camera's place in the world.
        focal: (fx, fy) pixels.
        centre: (cx, cy) pixels, the principal point.
        image_size: (width, height) pixels.
    """

    orientation: np.ndarray
    translation: np.ndarray
    focal: tuple[float, float]
    centre: tuple[float, float]
    image_size: tuple[int, int]


def rotate(points: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    """Points (..., 3) turned by one unit quaternion (4,) w x y z."""
    points = np.asarray(points, dtype=np.float64)
    w, axis = float(quaternion[0]), np.asarray(quaternion[1:], dtype=np.float64)
    twice = 2 * np.cross(axis, points)
    return points + w * twice + np.cross(axis, twice)


def _conjugate(quaternion: np.ndarray) -> np.ndarray:
    return np.asarray(quaternion, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def world_to_camera(points: np.ndarray, orientation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """World points (..., 3) m in the camera's frame (..., 3) m: q^-1 (X - t)."""
    return rotate(np.asarray(points, dtype=np.float64) - translation, _conjugate(orientation))


def camera_to_world(points: np.ndarray, orientation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Camera points (..., 3) m in the world (..., 3) m: q X + t, the inverse of `world_to_camera`."""
    return rotate(points, orientation) + translation


def project(points: np.ndarray, focal: tuple[float, float], centre: tuple[float, float]) -> np.ndarray:
    """Camera points (..., 3) m as pixels (..., 2).

    Raises:
        SettingError: a point lies in or behind the camera's plane (z <= 0), where no pixel shows it.
    """
    points = np.asarray(points, dtype=np.float64)
    nearest = points[..., 2].min(initial=np.inf)
    if nearest <= 0:
        raise SettingError(f"a point lies at depth {nearest:.3f} m; only points before the camera (z > 0) have a pixel")
    return points[..., :2] / points[..., 2:] * np.asarray(focal) + np.asarray(centre)


def normalize_screen(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels (..., 2) so that 0..width becomes -1..1 and the aspect ratio stays: x/w*2 - (1, h/w)."""
    return np.asarray(pixels) / width * 2 - np.array([1.0, height / width])


def screen_to_pixels(screen: np.ndarray, width: int, height: int) -> np.ndarray:
    """The inverse of `normalize_screen`."""
    return (np.asarray(screen) + np.array([1.0, height / width])) * width / 2


def view(points: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """World points (N, J, 3) m as pixels (N, J, 2) and as points in the camera's frame (N, J, 3) m.

    Raises:
        SettingError: a point lies behind the camera.
    """
    in_camera = world_to_camera(points, camera.orientation, camera.translation)
    return project(in_camera, camera.focal, camera.centre), in_camera


def random_camera(rng: np.random.Generator, points: np.ndarray, image_size: tuple[int, int] = (1000, 1000)) -> Camera:
    """A synthetic camera that looks at the middle of what a person does in a y-up world.

    Azimuth is uniform over the circle, height 0.5-2.5 m above the lowest joint, focal length 1.0-2.2 image widths, roll
    of normal spread 2 degrees. The nearest joint is 2.5-6 m away along the horizontal line of sight, whatever the
    path, so that no joint comes behind the camera. Joints may lie outside the image, as they do for real cameras.

    Args:
        rng: the source of chance; equal states give equal cameras.
        points: world joints (N, J, 3) metres, y up.
        image_size: (width, height) pixels.
    """
    joints = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    low, high = joints.min(0), joints.max(0)
    middle = (low + high) / 2
    azimuth = rng.uniform(0, 2 * np.pi)
    nearest, height = rng.uniform(2.5, 6.0), rng.uniform(0.5, 2.5)
    focal, roll = rng.uniform(1.0, 2.2) * image_size[0], rng.normal(0, np.deg2rad(2))
    towards = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])  # from the person to the camera
    distance = nearest + ((joints - middle) @ towards).max()
    place = middle + distance * towards
    place[1] = low[1] + height
    pitch = np.arctan2(middle[1] - place[1], distance)
    turns = (_about("y", azimuth), _about("x", np.pi + pitch), _about("z", roll))  # pi: camera y points down
    return Camera(_product(*turns), place, (focal, focal), (image_size[0] / 2, image_size[1] / 2), image_size)


def fixed_camera(index: int, points: np.ndarray, image_size: tuple[int, int] = (1000, 1000)) -> Camera:
    """The synthetic camera by which clip number `index` (>= 0) is tested: always the same; see `random_camera`."""
    return random_camera(np.random.default_rng((_TEST_CAMERAS, index)), points, image_size)


_TEST_CAMERAS = 20_240_601
"""Seed of `fixed_camera`; another value is another benchmark."""


def _about(axis: str, angle: float) -> np.ndarray:
    """Quaternion (4,) of a turn by `angle` radians about one axis."""
    quaternion = np.zeros(4)
    quaternion[0], quaternion["xyz".index(axis) + 1] = np.cos(angle / 2), np.sin(angle / 2)
    return quaternion


def _product(*quaternions: np.ndarray) -> np.ndarray:
    """Quaternion (4,) that turns by the last one first."""
    result = quaternions[0]
    for q in quaternions[1:]:
        w = result[0] * q[0] - result[1:] @ q[1:]
        result = np.array([w, *(result[0] * q[1:] + q[0] * result[1:] + np.cross(result[1:], q[1:]))])
    return result

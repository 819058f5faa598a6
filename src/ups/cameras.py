"""Pinhole cameras: world to camera to pixels, and synthetic cameras around a person.

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


def world_to_camera(points: np.ndarray, orientation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """World points (..., 3) m in the camera's frame (..., 3) m: q^-1 (X - t)."""
    from scipy.spatial.transform import Rotation  # a quarter of a second, which an exported model answers without

    moved = np.asarray(points, dtype=np.float64) - translation
    turned = Rotation.from_quat(orientation, scalar_first=True).apply(moved.reshape(-1, 3), inverse=True)
    return turned.reshape(moved.shape)


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
    from scipy.spatial.transform import Rotation

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
    turn = Rotation.from_euler("YXZ", [azimuth, np.pi + pitch, roll])  # pi: camera y points down
    orientation = turn.as_quat(scalar_first=True)
    return Camera(orientation, place, (focal, focal), (image_size[0] / 2, image_size[1] / 2), image_size)


def any_camera(rng: np.random.Generator, points: np.ndarray) -> Camera:
    """A synthetic camera of the kinds that people film with; see `random_camera` for the arguments.

    Pictures are square, portrait or landscape (0.5 to 1.9 heights wide), focal lengths 0.6 to 3 long sides (log-uniform),
    the camera stands 0 to 5 m above the lowest joint and looks up or down by at most 50 degrees, 1.5 to 15 m from the
    nearest joint (log-uniform), rolled by up to 20 degrees (normal, 7); the person may stand at the picture's edge.
    """
    from scipy.spatial.transform import Rotation

    joints = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    low, high = joints.min(0), joints.max(0)
    middle = (low + high) / 2
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(-50, 50) * rng.random())
    nearest = np.exp(rng.uniform(np.log(1.5), np.log(15)))
    ratio = np.exp(rng.uniform(np.log(0.5), np.log(1.9)))
    image_size = (1000, round(1000 / ratio)) if ratio > 1 else (round(1000 * ratio), 1000)
    focal = 1000 * np.exp(rng.uniform(np.log(0.6), np.log(3)))
    roll = np.clip(rng.normal(0, np.deg2rad(7)), -np.deg2rad(20), np.deg2rad(20))
    aside = np.arctan(np.array(image_size) / 2 / focal) * rng.uniform(-0.7, 0.7, 2) * rng.random()
    level = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    towards = level * np.cos(elevation) + np.array([0.0, np.sin(elevation), 0.0])
    distance = nearest + ((joints - middle) @ towards).max()
    place = middle + distance * towards
    place[1] = np.clip(place[1], low[1], low[1] + 5)
    reach = max(float(((joints - place) @ -level).min()), 1e-3)
    place += level * max(0.0, nearest * np.cos(elevation) - reach)
    pitch = np.arctan2(middle[1] - place[1], np.hypot(*(middle - place)[[0, 2]]))
    for off in (*aside, 0.0), (0.0, 0.0, 0.0):
        turn = Rotation.from_euler("YXZ", [azimuth + off[0], np.pi + pitch + off[1], roll])
        orientation = turn.as_quat(scalar_first=True)
        if world_to_camera(joints, orientation, place)[:, 2].min() > 0.3:
            return Camera(orientation, place, (focal, focal), (image_size[0] / 2, image_size[1] / 2), image_size)
    return random_camera(rng, points, image_size)


def fixed_camera(index: int, points: np.ndarray, image_size: tuple[int, int] = (1000, 1000)) -> Camera:
    """The synthetic camera by which clip number `index` (>= 0) is tested: always the same; see `random_camera`."""
    return random_camera(np.random.default_rng((_TEST_CAMERAS, index)), points, image_size)


_TEST_CAMERAS = 20_240_601
"""Seed of `fixed_camera`; another value is another benchmark."""

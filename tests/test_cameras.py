"""Cameras against scipy, by hand and round trip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from ups.cameras import (
    Camera,
    camera_to_world,
    fixed_camera,
    normalize_screen,
    project,
    random_camera,
    rotate,
    screen_to_pixels,
    view,
    world_to_camera,
)


def _walk(length: float = 6.0, frames: int = 40) -> np.ndarray:
    """A crude person (N, J, 3) of ankles, hips, head and hands that walks along x with its feet on y = 0."""
    body = np.array([[0, 0, 0.1], [0, 0, -0.1], [0, 0.9, 0], [0, 1.7, 0], [0.3, 1.0, 0.3], [-0.3, 1.0, -0.3]])
    return body + np.linspace(0, length, frames)[:, None, None] * np.array([1.0, 0, 0])


@given(st.integers(0, 2**32 - 1))
def test_rotation_agrees_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, place = rng.normal(size=(4, 5, 3)), rng.normal(size=3)
    rotation = Rotation.from_quat(rng.normal(size=4))
    quaternion = rotation.as_quat()[[3, 0, 1, 2]]
    np.testing.assert_allclose(rotate(points, quaternion), rotation.as_matrix() @ points[..., None] @ [1.0], atol=1e-12)
    in_camera = world_to_camera(points, quaternion, place)
    expected = rotation.inv().apply((points - place).reshape(-1, 3)).reshape(points.shape)
    np.testing.assert_allclose(in_camera, expected, atol=1e-12)
    np.testing.assert_allclose(camera_to_world(in_camera, quaternion, place), points, atol=1e-12)


def test_projection_by_hand() -> None:
    pixels = project(np.array([[0.5, -0.25, 2.0], [0, 0, 7.0]]), focal=(1000, 800), centre=(320, 240))
    np.testing.assert_array_equal(pixels, [[570, 140], [320, 240]])


def test_a_point_behind_the_camera_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth -0\.500 m"):
        project(np.array([[0, 0, 1.0], [0, 0, -0.5]]), (1, 1), (0, 0))


def test_normalised_screen_by_hand() -> None:
    corners = np.array([[0, 0], [640, 480], [320, 240.0]])
    np.testing.assert_allclose(normalize_screen(corners, 640, 480), [[-1, -0.75], [1, 0.75], [0, 0]], atol=1e-15)


@given(arrays(np.float64, (3, 2), elements=st.floats(-2000, 4000)), st.integers(1, 4000), st.integers(1, 4000))
def test_normalised_screen_round_trip(pixels: np.ndarray, width: int, height: int) -> None:
    back = screen_to_pixels(normalize_screen(pixels, width, height), width, height)
    np.testing.assert_allclose(back, pixels, atol=1e-9)


def test_a_camera_that_looks_along_minus_z_sees_the_world_upright() -> None:
    """Turned half about x, a camera at z = 4 sees world x to the right, world y upwards."""
    camera = Camera(np.array([0, 1.0, 0, 0]), np.array([0, 1.0, 4.0]), (100, 100), (50, 50), (100, 100))
    pixels, in_camera = view(np.array([[[0, 1.0, 0], [1.0, 1, 0], [0, 2, 0]]]), camera)
    np.testing.assert_allclose(in_camera, [[[0, 0, 4], [1, 0, 4], [0, -1, 4]]], atol=1e-12)
    np.testing.assert_allclose(pixels, [[[50, 50], [75, 50], [50, 25]]], atol=1e-12)


def test_random_cameras_look_at_the_person() -> None:
    points = _walk()
    rng = np.random.default_rng(0)
    heights, nearest, focal, azimuths = [], [], [], []
    for _ in range(400):
        camera = random_camera(rng, points, (1280, 720))
        assert np.linalg.norm(camera.orientation) == pytest.approx(1, abs=1e-12)
        pixels, in_camera = view(points, camera)
        assert in_camera[..., 2].min() > 1.5
        assert (pixels[:, 3, 1] < pixels[:, 0, 1]).all(), "the head is above the feet in the image"
        middle = (points.min((0, 1)) + points.max((0, 1))) / 2
        np.testing.assert_allclose(view(middle[None, None], camera)[0], [[[640, 360]]], atol=1e-6)
        away = (middle - camera.translation) * [1, 0, 1]
        away /= np.linalg.norm(away)
        nearest.append(((points - camera.translation) @ away).min())
        heights.append(camera.translation[1])
        focal.append(camera.focal[0] / 1280)
        azimuths.append(np.arctan2(-away[0], -away[2]))
        # the roll is small: the camera's x axis is nearly level
        assert abs(rotate(np.array([1.0, 0, 0]), camera.orientation)[1]) < 0.2
    for values, low, high in ((nearest, 2.5, 6.0), (heights, 0.5, 2.5), (focal, 1.0, 2.2), (azimuths, -np.pi, np.pi)):
        assert low - 1e-9 <= min(values) < low + 0.05 * (high - low), "the range is used down to its lower end"
        assert high + 1e-9 >= max(values) > high - 0.05 * (high - low), "and up to its upper end"


def test_fixed_cameras_never_change() -> None:
    points = _walk()
    camera = fixed_camera(3, points)
    again, other = fixed_camera(3, points), fixed_camera(4, points)
    np.testing.assert_array_equal(camera.orientation, again.orientation)
    assert camera.focal == again.focal != other.focal
    np.testing.assert_allclose([*camera.translation, camera.focal[0], *camera.orientation], GOLDEN, rtol=1e-6)


GOLDEN = [4.38417122, 1.713448, -5.43370248, 2048.28872684, 0.01636306, 0.12455351, 0.07486397, -0.98924924]
"""Place, focal length and orientation of camera 3: a change makes old and new results on synthetic cameras differ."""

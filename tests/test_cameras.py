"""Cameras by hand, against the rotation formula of quaternions, and the test cameras as they have always been."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ups.cameras import (
    Camera,
    fixed_camera,
    project,
    random_camera,
    view,
    world_to_camera,
)


def _walk(length: float = 6.0, frames: int = 40) -> np.ndarray:
    """A crude person (N, J, 3) of ankles, hips, head and hands that walks along x with its feet on y = 0."""
    body = np.array([[0, 0, 0.1], [0, 0, -0.1], [0, 0.9, 0], [0, 1.7, 0], [0.3, 1.0, 0.3], [-0.3, 1.0, -0.3]])
    return body + np.linspace(0, length, frames)[:, None, None] * np.array([1.0, 0, 0])


@given(st.integers(0, 2**32 - 1))
def test_world_to_camera_undoes_the_turn_and_the_place_of_the_camera(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, place, quaternion = rng.normal(size=(4, 5, 3)), rng.normal(size=3), rng.normal(size=4)
    quaternion /= np.linalg.norm(quaternion)
    in_camera = world_to_camera(points, quaternion, place)
    twice = 2 * np.cross(quaternion[1:], in_camera)  # q X q^-1 = X + w t + v x t with t = 2 v x X
    back = in_camera + quaternion[0] * twice + np.cross(quaternion[1:], twice) + place
    np.testing.assert_allclose(back, points, atol=1e-12)


def test_projection_by_hand() -> None:
    pixels = project(np.array([[0.5, -0.25, 2.0], [0, 0, 7.0]]), focal=(1000, 800), centre=(320, 240))
    np.testing.assert_array_equal(pixels, [[570, 140], [320, 240]])


def test_a_point_behind_the_camera_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth -0\.500 m"):
        project(np.array([[0, 0, 1.0], [0, 0, -0.5]]), (1, 1), (0, 0))


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
        assert abs(Rotation.from_quat(camera.orientation, scalar_first=True).apply([1.0, 0, 0])[1]) < 0.2
    for values, low, high in ((nearest, 2.5, 6.0), (heights, 0.5, 2.5), (focal, 1.0, 2.2), (azimuths, -np.pi, np.pi)):
        assert low - 1e-9 <= min(values) < low + 0.05 * (high - low), "the range is used down to its lower end"
        assert high + 1e-9 >= max(values) > high - 0.05 * (high - low), "and up to its upper end"


def test_fixed_cameras_never_change() -> None:
    points = _walk()
    camera = fixed_camera(3, points)
    again, other = fixed_camera(3, points), fixed_camera(4, points)
    np.testing.assert_array_equal(camera.orientation, again.orientation)
    assert camera.focal == again.focal != other.focal
    for number, values in GOLDEN.items():
        camera = fixed_camera(number, points)
        np.testing.assert_allclose([*camera.translation, *camera.focal, *camera.orientation], values, rtol=1e-12)
    pixels, in_camera = view(points, fixed_camera(3, points))
    np.testing.assert_allclose(pixels[[0, -1], 3], GOLDEN_HEAD, rtol=1e-12)
    np.testing.assert_allclose(np.abs(in_camera).sum(), GOLDEN_SUM, rtol=1e-12)


GOLDEN = {
    0: [
        -4.379518877535452, 1.3297225070689904, 1.9850231181969593, 2136.4439476512675, 2136.4439476512675,
        -0.026409781888672792, -0.7933047194249254, 0.01706421239033416, -0.6080123010385815,
    ],
    3: [
        4.384171215622688, 1.7134480002018107, -5.4337024765990884, 2048.288726840456, 2048.288726840456,
        0.0163630575518371, 0.12455350572268542, 0.07486396783755038, -0.9892492410304706,
    ],
    4: [
        9.758510246257877, 2.0598276655329535, 4.305178655023131, 1819.7250439240504, 1819.7250439240504,
        0.06045122778860099, 0.8738164852410412, 0.045426275705628544, -0.48034035085068594,
    ],
    1000: [
        2.8219905551770705, 2.290019753543375, -6.0026565672713055, 1898.864560938869, 1898.864560938869,
        0.017434658668510395, -0.012450596957151736, 0.11765206410405174, -0.9928237543111964,
    ],
}  # fmt: skip
"""Place, focal lengths and orientation of test cameras: a change makes old and new results on them differ."""
GOLDEN_HEAD = [[1444.4106672078933, 175.8821564051962], [-741.6433493451916, 207.5937179299159]]
GOLDEN_SUM = 1840.2296824693772

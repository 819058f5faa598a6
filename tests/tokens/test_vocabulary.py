"""Tokens <-> values, class names, and the standardised text features."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ups.labels import canonical_text
from ups.tokens.vocabulary import Vocabulary, class_features, token_features

METRES = st.floats(-3, 3, width=32)


@dataclass
class LetterEncoder:
    """Features that are letter counts: cheap, and different for different prompts."""

    name: str = "letters"

    def encode(self, texts: list[str]) -> np.ndarray:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789 -"
        counts = [[text.lower().count(letter) for letter in letters] for text in texts]
        return np.array(counts, np.float32).reshape(len(texts), len(letters))


@st.composite
def vocabularies(draw) -> Vocabulary:
    low = draw(st.floats(-5, 4))
    return Vocabulary(draw(st.integers(1, 700)), low, low + draw(st.floats(0.1, 10)))


@given(vocabularies(), arrays(np.float32, (4, 5, 3), elements=METRES))
def test_round_trip_is_within_half_a_bin_and_saturates_outside(vocabulary, coordinates):
    tokens = vocabulary.quantize(coordinates)
    assert tokens.dtype == np.int64 and tokens.shape == coordinates.shape
    for axis in range(3):
        ids = vocabulary.axis_tokens(axis)
        assert tokens[..., axis].min() >= ids.start and tokens[..., axis].max() < ids.stop
    back = vocabulary.token_values[tokens]
    assert back.dtype == np.float32 and back.shape == coordinates.shape
    inside = (coordinates >= vocabulary.low) & (coordinates <= vocabulary.high)
    error = np.abs(back.astype(np.float64) - coordinates)
    assert (error[inside] <= vocabulary.bin_width / 2 + 1e-6).all()
    np.testing.assert_array_equal(back[coordinates < vocabulary.low], vocabulary.bin_centres[0])
    np.testing.assert_array_equal(back[coordinates > vocabulary.high], vocabulary.bin_centres[-1])


@given(vocabularies(), st.data())
def test_every_bin_centre_is_its_own_bin(vocabulary, data):
    k = data.draw(st.integers(0, vocabulary.bins - 1))
    centre = np.full(3, vocabulary.bin_centres[k])
    np.testing.assert_array_equal(vocabulary.quantize(centre), k + vocabulary.bins * np.arange(3))


def test_golden_tokens():
    v = Vocabulary(bins=4, low=-1.0, high=1.0)
    assert v.bin_width == 0.5
    np.testing.assert_array_equal(v.bin_centres, np.array([-0.75, -0.25, 0.25, 0.75], np.float32))
    tokens = v.quantize(np.array([[-1.0, 0.0, 1.0], [-9.0, 0.49, np.inf]]))
    np.testing.assert_array_equal(tokens, [[0, 6, 11], [0, 6, 11]])
    np.testing.assert_allclose(v.token_values[tokens[0]], [-0.75, 0.25, 0.75])


def test_bad_coordinates_are_refused():
    v = Vocabulary(bins=4)
    with pytest.raises(ValueError, match="1 coordinates are NaN"):
        v.quantize(np.array([0.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\) is needed"):
        v.quantize(np.zeros((5, 2)))
    assert v.quantize(np.zeros((0, 3))).shape == (0, 3)


def test_layout_is_bins_then_eots_then_classes():
    v = Vocabulary(classes=("drink water", "walk"))
    assert v.size == 3 * 512 + 3 + 2
    assert v.ranges() == [
        ("x", 0, 512), ("y", 512, 1024), ("z", 1024, 1536), ("eot", 1536, 1539), ("class", 1539, 1541),
    ]  # fmt: skip
    assert [v.eot_token(name) for name in v.eots] == [1536, 1537, 1538]
    assert v.class_tokens(["walk", "Drink_Water"]) == [1540, 1539]
    with pytest.raises(ValueError, match="axis 3"):
        v.axis_tokens(3)
    with pytest.raises(ValueError, match="known: recognition, estimation, anticipation"):
        v.eot_token("forecasting")


def test_prompts_are_the_papers():
    v = Vocabulary(eots=("recognition", "estimation", "anticipation", "motion forecasting"), classes=("walk",))
    prompts = v.prompts()
    assert len(prompts) == v.size == len(set(prompts))
    assert prompts[:4] == [
        "The first horizontal coordinate",
        "The second horizontal coordinate",
        "The third horizontal coordinate",
        "The 4-th horizontal coordinate",
    ]
    assert prompts[511] == "The 512-th horizontal coordinate"
    assert (prompts[512], prompts[1535]) == ("The first vertical coordinate", "The 512-th depth coordinate")
    assert prompts[1536:] == [
        "action recognition ends here",
        "pose estimation ends here",
        "action prediction ends here",
        "motion forecasting ends here",
        "walk",
    ]
    for token in (-1, v.size):
        with pytest.raises(ValueError, match="lies outside"):
            v.text_of(token)


def test_spellings_of_a_class_are_one_token():
    assert canonical_text(" Sit-Down__now ") == "sit down now"
    v = Vocabulary(classes=("Sit_Down", "sit  down", "walk"))
    assert v.classes == ("sit down", "walk")
    assert v.class_token("SIT-DOWN") == v.class_token("sit down") == 1539
    with pytest.raises(ValueError, match="did you mean 'walk'"):
        v.class_token("walks")
    with pytest.raises(ValueError, match="with_classes"):
        v.class_token("zzzzzz")


@given(st.lists(st.text(" ab_-C", min_size=1).filter(canonical_text)), st.lists(st.text("abc", min_size=1)))
def test_added_classes_keep_every_id(first, second):
    old = Vocabulary(bins=2, classes=tuple(first))
    new = old.with_classes(second)
    assert new.prompts()[: old.size] == old.prompts()
    assert set(new.classes) == {canonical_text(t) for t in first + second}
    assert new.with_classes(second) == new


def test_dict_round_trip_through_json():
    v = Vocabulary(64, -0.9, 1.1, ("recognition",), ("walk",))
    assert Vocabulary.from_dict(json.loads(json.dumps(v.to_dict()))) == v


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bins": 0}, "0 bins"),
        ({"low": 1.2}, "low < high"),
        ({"high": float("inf")}, "finite"),
        ({"eots": ()}, "at least one"),
        ({"eots": ("a", "a")}, "none twice"),
        ({"classes": ("walk", "_")}, "class name is empty"),
    ],
)
def test_impossible_vocabularies_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(**changes)


def test_features_are_standardised_by_kind(tmp_path):
    v = Vocabulary(bins=20, classes=("walk", "run", "drink water"))
    features = token_features(v, LetterEncoder(), tmp_path)
    assert features.values.shape == (v.size, 38) and features.values.dtype == np.float32
    for _, start, stop in v.ranges():
        part = features.values[start:stop]
        np.testing.assert_allclose(part.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(np.square(part).mean(), 1, rtol=1e-5)
    again = class_features(features, LetterEncoder(), ["RUN", "walk"], tmp_path)
    np.testing.assert_allclose(again, features.values[v.class_tokens(["run", "walk"])], atol=1e-6)


def test_features_of_one_class_and_of_none(tmp_path):
    one = token_features(Vocabulary(bins=3, classes=("walk",)), LetterEncoder(), tmp_path)
    np.testing.assert_array_equal(one.class_mean, 0)
    np.testing.assert_allclose(np.square(one.values[-1]).mean(), 1, rtol=1e-5)
    none = token_features(Vocabulary(bins=3), LetterEncoder(), tmp_path)
    assert len(none.values) == 12
    np.testing.assert_array_equal(none.class_mean, 0)
    added = class_features(none, LetterEncoder(), ["walk", "run"], tmp_path)
    assert 0.01 < np.square(added).mean() < 10


def test_class_features_need_the_same_width(tmp_path):
    class Narrow(LetterEncoder):
        def encode(self, texts: list[str]) -> np.ndarray:
            return super().encode(texts)[:, :5]

    features = token_features(Vocabulary(bins=3), LetterEncoder(), tmp_path)
    with pytest.raises(ValueError, match="gives 5 features, the vocabulary has 38"):
        class_features(features, Narrow("narrow"), ["walk"], tmp_path)

"""The reader of MATLAB files against SciPy's, on random variables and on the real files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ups.data.formats.archive import members
from ups.data.formats.matlab import load_mat
from ups.errors import DataError

KINDS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
NUMBERS = st.sampled_from(KINDS).flatmap(lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=4, min_side=0)))
TEXTS = st.text(st.characters(max_codepoint=0x2FF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=9)


@settings(max_examples=60)
@given(
    st.dictionaries(st.from_regex("[a-z][a-z0-9_]{0,20}", fullmatch=True), NUMBERS | TEXTS, max_size=4), st.booleans()
)
def test_numbers_and_text_are_read_as_by_scipy(variables: dict, compressed: bool) -> None:
    buffer = io.BytesIO()
    others = {"Cells": np.array([1, "a"], object), "Struct": {"a": 1}, "Wave": np.ones((2, 2), complex)}
    scipy.io.savemat(buffer, {**variables, **others}, do_compression=compressed)
    found = load_mat("x.mat", buffer.getvalue())
    assert set(found) == set(variables)
    for key, value in variables.items():
        if isinstance(value, str):
            assert found[key].tolist() == [value]
        else:
            assert found[key].dtype == value.dtype
            np.testing.assert_array_equal(found[key], value)


def test_every_cut_is_refused_or_leaves_whole_variables() -> None:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"a": np.arange(12.0).reshape(3, 4), "b": np.arange(3)})
    content = buffer.getvalue()
    whole = 0
    for size in range(len(content)):
        try:
            found = load_mat("x.mat", content[:size])
        except DataError as error:
            assert str(error).startswith("x.mat: not a readable MATLAB file")
        else:
            assert list(found) in ([], ["a"])
            whole += 1
    assert whole <= 2


@pytest.mark.parametrize(("folder", "archive"), [("Skeleton", "utd_mhad"), ("labels", "penn_action")])
def test_real_files_are_read_as_by_scipy(data_folder: Path, folder: str, archive: str) -> None:
    for i, (name, load) in enumerate(members(data_folder, folder, archive, ".mat")):
        if i % 20:
            continue
        content = load()
        expected = {k: v for k, v in scipy.io.loadmat(io.BytesIO(content)).items() if not k.startswith("__")}
        found = load_mat(name, content)
        assert set(found) == set(expected)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)

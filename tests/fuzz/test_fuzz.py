"""Every reader, on some hundreds of damaged and hostile files: an answer or an error of ours, soon, in little memory."""

from __future__ import annotations

import pytest
from fuzz.mutants import KINDS, fuzz, mutant


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_end_in_a_value_or_an_error_of_ours(kind: str) -> None:
    result = fuzz(kind, 300)
    assert result.faults == []
    assert result.read + result.refused == 300 and result.refused > 0


def test_some_mutants_are_read_and_they_are_the_same_every_time() -> None:
    assert fuzz("json", 50).read > 0
    assert all(mutant(kind, 7) == mutant(kind, 7) != mutant(kind, 8) for kind in KINDS)

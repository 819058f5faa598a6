"""The allocator keeps what was freed, in a process of its own: the setting lasts as long as its process."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource
import sys

import numpy as np

from ups.runtime.allocator import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    print("other")
    sys.exit()


def use() -> None:
    parts = [np.ones(2_500_000 // 8) for _ in range(20)]
    del parts


use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> str:
    return subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resource and glibc are Linux's")
def test_freed_memory_is_used_again():
    kept = faults("keep")
    if kept == "other":
        pytest.skip("the C library is not glibc")
    assert int(kept) < 500 < int(faults("default"))

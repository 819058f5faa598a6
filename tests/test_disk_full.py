"""On a full disk every writer says so, leaves what stood there, and nothing else: on a small file system, in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kill.operations import OPERATIONS

OWN = [] if hasattr(os, "getuid") and os.getuid() == 0 else ["--user", "--map-root-user"]
MOUNT = 'mount -t tmpfs -o size=256m tmpfs "$0" && exec "$@"'


def fill(folder: Path, steps: int, names: list[str]) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare, which gives a process file systems of its own")
    command = ["unshare", *OWN, "--mount", "sh", "-c", MOUNT, str(folder)]
    if (tried := subprocess.run([*command, "true"], capture_output=True, text=True)).returncode:
        pytest.skip(f"no file system may be mounted here: {tried.stderr.strip()[:100]}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command += [sys.executable, "-m", "kill.full", str(folder), str(steps), *names]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    print(done.stdout)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_a_full_disk(tmp_path: Path) -> None:
    fill(tmp_path, 5, ["prepare"])


@pytest.mark.slow
def test_a_full_disk_under_every_writer(tmp_path: Path) -> None:
    fill(tmp_path, 12, list(OPERATIONS))

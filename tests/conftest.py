"""Shared fixtures."""

import os
import signal
from pathlib import Path

import pytest
import torch
from helpers import synthetic_stores
from hypothesis import settings

from ups.data.store.store import Store

settings.register_profile("ups", deadline=None, database=None, derandomize=True)  # the same examples every time
settings.register_profile("explore", settings.get_profile("ups"), derandomize=False)  # --hypothesis-profile explore
settings.load_profile("ups")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
torch.set_num_threads(1)  # the tests' models are too small to share out


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of original recordings that UPS_DATA names; tests that need one skip where there is none."""
    value = os.environ.get("UPS_DATA")
    if not value:
        pytest.skip("set UPS_DATA to the folder of original recordings to run this test")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"UPS_DATA={value} is no folder")
    return folder


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Two prepared data sets of 24 generated clips: synthetic_3d and synthetic_2d."""
    return synthetic_stores(tmp_path_factory.mktemp("stores"))

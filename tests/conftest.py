"""Shared fixtures."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ups", deadline=None, database=None)
settings.load_profile("ups")


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

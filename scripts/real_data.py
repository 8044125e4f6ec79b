"""Real data for tests: a folder that is not in the repository, since it is large or another's."""

import os
from pathlib import Path

import pytest


def real_data(name):
    """The path of a file in ``DOVETAIL_DATA``, or in ``shared/data`` beside the checkout; without it, a skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("DOVETAIL_DATA", beside)) / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the folder that DOVETAIL_DATA names")
    return path

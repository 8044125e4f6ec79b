"""Makes the helpers beside the tests importable, and every test start from one seed in a folder of its own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    import dovetail

    dovetail.manual_seed(0)
    monkeypatch.chdir(tmp_path)

"""The whole suite on a backend over array_api_strict: reference kernels use nothing but the standard."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("array_api_strict")

# where the packages are on the path but not installed, pytest does not find the plug-in by itself
LOAD = [] if entry_points(group="pytest11", name="dovetail") else ["-p", "dovetail_pytest"]


@pytest.mark.slow
def test_every_op_keeps_to_the_standard():
    suite = str(Path(__file__).with_name("test_conformance.py"))
    command = [sys.executable, "-m", "pytest", *LOAD, "-q", "--tb=line", "-p", "no:cacheprovider", suite]
    done = subprocess.run(
        [*command, "--dovetail-backend", "acme"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "Dovetail conformance of backend 'acme'" in done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 1000

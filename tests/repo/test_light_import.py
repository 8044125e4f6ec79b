"""`import dovetail` costs little more than `import numpy`: nothing heavy, no plug-in, no look for plug-ins."""

import subprocess
import sys

import pytest

from workspace import packages

HEAVY = [
    "array_api_strict",
    "cupy",
    "hypothesis",
    "lightning_utilities",
    "matplotlib",
    "numpy.fft",
    "numpy.polynomial",
    "numpy.random",
    "pandas",
    "pytest",
    "rich",
    "safetensors",
    "scipy",
    "torch",
]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(statement: str) -> set[str]:
    """Modules that the statement loads beyond what numpy loads."""
    code = f"import sys, numpy; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    return set(run(code).split())


def test_base_loads_nothing_heavy():
    assert not loaded_by("import dovetail") & set(HEAVY)


def test_base_loads_no_other_part():
    parts = {package.import_name for package in packages() if package.source.is_dir()} - {"dovetail"}
    assert not loaded_by("import dovetail") & parts


def test_parts_load_nothing_heavy():
    for package in packages():
        if package.source.is_dir():
            heavy = loaded_by(f"import {package.import_name}") & set(HEAVY)
            assert not heavy, f"import {package.import_name} loads {heavy}"


@pytest.mark.parametrize("work", ["", "dovetail.zeros(2, device='cpu').numpy()"])
def test_no_entry_point_is_looked_for(work):
    """The import reads no metadata of installed distributions; the first op does, since a plug-in may serve it."""
    code = f"""
import importlib.metadata
def refuse(*arguments, **options):
    raise AssertionError("looked for entry points")
importlib.metadata.entry_points = refuse
importlib.metadata.distributions = refuse
importlib.metadata.Distribution.discover = refuse
import dovetail
{work}
print("done")
"""
    assert run(code) == "done"


def test_parts_load_on_first_use():
    assert run("import dovetail, sys; dovetail.nn.Linear; print('dovetail.nn' in sys.modules)") == "True"

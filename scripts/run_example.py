"""Run an example as its user does: for tests."""

import os
import subprocess
import sys
from pathlib import Path

from workspace import ROOT


def run_example(folder: Path, name: str, *arguments: str) -> str:
    """Return what an example prints, run in a folder; warnings, errors and anything on standard error are failures."""
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / name, *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout

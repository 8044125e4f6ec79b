"""The examples of the README run as they stand and learn what they are meant to learn."""

import os
import re
import subprocess
import sys

import pytest

from workspace import ROOT


def run(name: str, folder) -> str:
    """What the example prints, run in an empty folder."""
    command = [sys.executable, "-W", "error", ROOT / "examples" / name]
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_train(tmp_path):
    output = run("train.py", tmp_path)
    assert float(re.search(r"test accuracy ([\d.]+)%", output)[1]) >= 95
    assert (tmp_path / "digits.safetensors").stat().st_size > 4 * (64 * 128 + 128 * 10)
    assert len((ROOT / "examples/train.py").read_text().splitlines()) <= 25


@pytest.mark.slow
def test_trainer(tmp_path):
    output = run("trainer.py", tmp_path)
    assert max(float(number) for number in re.findall(r"accuracy\D{0,8}(\d\.\d+)", output)) >= 0.95

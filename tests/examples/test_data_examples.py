"""The examples on tables and text run as they stand and learn more than their baselines know."""

import os
import re
import subprocess
import sys

import pytest

from workspace import ROOT


def run(folder, name, *arguments):
    """What the example prints, in an empty folder."""
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / name, *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("name", "example"),
    [("table.py", "--rows 5000 --seed 7"), ("shakespeare.py", "tinyshakespeare.txt --steps 2000")],
)
def test_help_has_an_example(tmp_path, name, example):
    assert f"python examples/{name} {example}" in run(tmp_path, name, "--help")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_table_beats_the_majority(tmp_path):
    output = run(tmp_path, "table.py")
    accuracy, majority = (
        float(re.search(rf"{name} +([\d.]+)%", output)[1]) for name in ("test accuracy", "majority baseline")
    )
    assert accuracy > majority + 15
    assert "plan=family, plan is missing" in output
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]


@pytest.mark.slow
def test_shakespeare_beats_the_frequencies(tmp_path):
    text = "".join(f"{number} men and {number + 1} women walk by the river.\n" for number in range(2000))
    (tmp_path / "text.txt").write_text(text)
    output = run(tmp_path, "shakespeare.py", "text.txt", "--steps", "60")
    found, baseline = (float(re.search(rf"{name} +([\d.]+)", output)[1]) for name in ("validation", "baseline"))
    assert found < baseline - 1


@pytest.mark.slow
def test_shakespeare_reads_the_pages_beside_it(tmp_path):
    output = run(tmp_path, "shakespeare.py", "--steps", "1")
    assert int(re.match(r"([\d,]+) characters", output)[1].replace(",", "")) > 20_000

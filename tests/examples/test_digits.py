"""The main job: it learns, writes what it says it writes, and a fresh process gets the same accuracy."""

import csv
import re

import pytest

from run_example import run_example
from workspace import ROOT

SCRIPT = ROOT / "examples" / "digits.py"


def run(folder, *arguments):
    """What the demo prints, in an empty folder."""
    return run_example(folder, "digits.py", *arguments)


def test_help_has_an_example(tmp_path):
    text = run(tmp_path, "--help")
    assert "python examples/digits.py --out runs/mine --seed 7" in text
    assert "default: runs/digits" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_epochs_write_everything_and_a_second_run_beside_it(tmp_path):
    for version in range(2):
        output = run(tmp_path, "--epochs", "2", "--seed", str(version))
        folder = tmp_path / "runs" / "digits" / f"version_{version}"
        assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "checkpoints" / "best.ckpt").is_file()
        with open(folder / "metrics.csv", newline="") as file:
            epochs = [row["epoch"] for row in csv.DictReader(file) if row.get("val_loss")]
        assert epochs == ["0", "1"]
        assert [line[:9] for line in output.splitlines() if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    here, fresh = (re.search(rf"^{word} +(.*)$", output, re.MULTILINE)[1] for word in ("here", "fresh process"))
    assert here == fresh
    assert run(tmp_path, "--predict", str(folder / "checkpoints" / "best.ckpt")).strip() == fresh


@pytest.mark.slow
def test_it_reaches_the_accuracy_that_the_readme_promises(tmp_path):
    output = run(tmp_path, "--out", "out")
    fresh = float(re.search(r"fresh process +([\d.]+)%", output)[1])
    assert fresh >= 98.5
    assert f"{fresh / 100:.4f}" in re.search(r"test_acc.*", output)[0]

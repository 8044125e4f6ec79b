"""The examples on tables, text and pictures run as they stand and learn more than their baselines know."""

import io
import re
import zipfile

import pytest

from real_data import real_data
from run_example import run_example


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("table.py", "--rows 5000 --seed 7"),
        ("shakespeare.py", "tinyshakespeare.txt --steps 2000"),
        ("cifar10.py", "cifar10-jpeg.zip --samples 50000 --epochs 20 --workers 4"),
    ],
)
def test_help_has_an_example(tmp_path, name, example):
    assert f"python examples/{name} {example}" in run_example(tmp_path, name, "--help")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_table_beats_the_majority(tmp_path):
    output = run_example(tmp_path, "table.py")
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
    output = run_example(tmp_path, "shakespeare.py", "text.txt", "--steps", "60")
    found, baseline = (float(re.search(rf"{name} +([\d.]+)", output)[1]) for name in ("validation", "baseline"))
    assert found < baseline - 1


@pytest.mark.slow
def test_shakespeare_reads_the_pages_beside_it(tmp_path):
    output = run_example(tmp_path, "shakespeare.py", "--steps", "1")
    assert int(re.match(r"([\d,]+) characters", output)[1].replace(",", "")) > 20_000


@pytest.fixture
def pictures(tmp_path):
    """A zip archive of small JPEG files, two classes that differ in colour."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part, count in (("train", 40), ("test", 20)):
            for number in range(count):
                kind, colour = (("blue", (30, 40, 200 - number)), ("red", (200 - number, 40, 30)))[number % 2]
                file = io.BytesIO()
                image.new("RGB", (32, 32), colour).save(file, "JPEG")
                archive.writestr(f"{part}/{kind}/{number:04}.jpg", file.getvalue())
    return path


def test_pictures_in_an_archive_give_the_same_with_and_without_workers(tmp_path, pictures):
    found = []
    for workers in ("0", "2"):
        folder = tmp_path / workers
        folder.mkdir()
        output = run_example(
            folder, "cifar10.py", str(pictures), "--samples", "40", "--epochs", "2", "--workers", workers
        )
        found.append((re.sub(r"[\d.]+ images/s", "", output), (folder / "cifar10.png").read_bytes()))
    assert found[0] == found[1]
    assert found[0][0].count("test accuracy") == 2


@pytest.mark.slow
def test_cifar10_beats_chance(tmp_path):
    data = real_data("cifar10-jpeg.zip")
    output = run_example(tmp_path, "cifar10.py", str(data), "--samples", "1500", "--epochs", "2")
    assert float(re.findall(r"test accuracy ([\d.]+)%", output)[-1]) > 20

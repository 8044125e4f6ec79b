"""Datasets of other people's packages, which are real ones, metadata and module, in a folder on ``PYTHONPATH``."""

import os
import subprocess
import sys

import pytest

WORDS = """
import dovetail
from dovetail.data import About, Dataset

class SmallWords(Dataset):
    about = About("3 MB", "A. Writer; CC0")

    def __init__(self, language):
        self.words = {"en": ["one", "two"], "de": ["eins", "zwei"]}[language]

    def __getitem__(self, index):
        return self.words[index]

@dovetail.hookimpl
def dovetail_register_datasets():
    return [SmallWords]
"""
LOST = "import sentences_that_are_not_installed\n"


def install(folder, name, source):
    """Put a package with an entry point into a folder."""
    metadata = folder / f"acme_{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[dovetail]\n{name} = acme_{name}\n")
    (folder / f"acme_{name}.py").write_text(source)


@pytest.fixture
def python(tmp_path):
    """Run a Python program beside the two packages; its output, and what it wrote as errors."""
    install(tmp_path, "words", WORDS)
    install(tmp_path, "sentences", LOST)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "DOVETAIL_PLUGINS": "words,sentences"}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    return run


def test_a_dataset_is_found_by_its_name(python):
    done = python("-c", "from dovetail import data; print(data.load('small-words', language='de')[1])")
    assert (done.stdout, done.stderr) == ("zwei\n", "")


def test_the_command_shows_it_and_why_others_are_missing(python):
    done = python("-m", "dovetail", "datasets")
    assert "  SmallWords    acme-words 1.0  3 MB " in done.stdout
    assert "A. Writer; CC0" in done.stdout
    assert "acme-sentences 1.0 did not load: ModuleNotFoundError: No module named 'sentences_that" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_error_for_a_missing_one_says_why(python):
    done = python("-c", "from dovetail import data; data.load('sentences')")
    assert "no dataset 'sentences'; there are 'CIFAR10', " in done.stderr
    assert "'SmallWords'" in done.stderr
    assert "acme-sentences 1.0 did not load: ModuleNotFoundError: No module named 'sentences_that" in done.stderr

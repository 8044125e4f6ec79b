"""No changed bit and no missing or added byte goes unnoticed: the script that tries it, with few flips."""

import re
import subprocess
import sys
from pathlib import Path

FLIPS = Path(__file__).parents[3] / "scripts" / "flip_bits.py"


def run(*words):
    return subprocess.run([sys.executable, FLIPS, *words], capture_output=True, text=True, timeout=300, check=False)


def test_every_bit_of_small_files_and_some_of_large_ones_are_missed():
    done = run("--flips", "300")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    for line in lines:
        assert re.search(r": \d+ refused, \d+ loaded equal, 0 silent, 0 failed otherwise", line)
    for line in (lines[0], lines[2]):
        size, flips = map(int, re.match(r"every bit of a \w+ file of (\d+) bytes: (\d+)", line).groups())
        assert flips == 8 * size


def test_the_flips_find_a_file_that_is_not_protected():
    done = run("--flips", "40", "--without-checksums")
    assert done.returncode == 1
    assert re.search(r"[1-9]\d* silent", done.stdout)

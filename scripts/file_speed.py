"""Compare the speed of saving and loading with that of the disk and of memory, in the same run.

Example: python scripts/file_speed.py --megabytes 1024 --rounds 7
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import dovetail

PIECE = 1 << 22


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def write_plainly(path: Path, arrays: list[np.ndarray]) -> None:
    """Write the same bytes to a file, and wait for the disk."""
    with open(path, "wb", buffering=0) as file:
        for array in arrays:
            content = array.view(np.uint8).data
            for start in range(0, len(content), PIECE):
                file.write(content[start : start + PIECE])
        os.fsync(file.fileno())


def read_plainly(path: Path, arrays: list[np.ndarray]) -> None:
    """Read them into new arrays."""
    with open(path, "rb", buffering=0) as file:
        for array in arrays:
            content = np.empty(array.nbytes, np.uint8).data
            for start in range(0, len(content), PIECE):
                file.readinto(content[start : start + PIECE])  # type: ignore[attr-defined]


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024, help="size of what is saved (default: 1024)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    count = max(1, arguments.megabytes // 64)
    arrays = [generator.random(arguments.megabytes * 2**18 // count, dtype=np.float32) for _ in range(count)]
    state = {f"layer{number}.weight": dovetail.from_numpy(array) for number, array in enumerate(arrays)}
    with tempfile.TemporaryDirectory() as folder:
        plain, file = Path(folder, "plain"), Path(folder, "state.safetensors")
        steps: dict[str, Callable[[], object]] = {
            "write and fsync": lambda: write_plainly(plain, arrays),
            "save": lambda: dovetail.save(state, file),
            "read": lambda: read_plainly(plain, arrays),
            "load": lambda: dovetail.load(file),
            "load, mmap=True": lambda: dovetail.load(file, mmap=True),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(arguments.rounds):
            for name, step in steps.items():
                times[name].append(seconds(step))
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:16} {median * 1e3:8.1f} ms  {arguments.megabytes / 1024 / median:8.2f} GiB/s")
    for name, plainly in (("save", "write and fsync"), ("load", "read")):
        ratios = [other / mine for mine, other in zip(times[name], times[plainly], strict=True)]
        print(f"{name} runs at {statistics.median(ratios):.2f} of the speed of: {plainly}")


if __name__ == "__main__":
    main()

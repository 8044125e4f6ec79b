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
WARM_ROUNDS = 2  # in which a virtual machine gets its memory


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def write_plainly(path: Path, arrays: list[np.ndarray]) -> None:
    """Write the same bytes to a new file, wait for the disk, and put it in the place of the old one."""
    new = path.with_suffix(".new")
    with open(new, "wb", buffering=0) as file:
        for array in arrays:
            content = array.view(np.uint8).data
            for start in range(0, len(content), PIECE):
                file.write(content[start : start + PIECE])
        os.fsync(file.fileno())
    new.replace(path)


def read_plainly(path: Path, arrays: list[np.ndarray]) -> None:
    """Read them into new arrays."""
    with open(path, "rb", buffering=0) as file:
        for array in arrays:
            content = np.empty(array.nbytes, np.uint8).data
            for start in range(0, len(content), PIECE):
                file.readinto(content[start : start + PIECE])  # type: ignore[attr-defined]


def forget(path: Path) -> None:
    """Have the system forget a file's content, so that it is read from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024, help="size of what is saved (default: 1024)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
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
            "read from memory": lambda: read_plainly(plain, arrays),
            "load from memory": lambda: dovetail.load(file),
            "load, mmap=True": lambda: dovetail.load(file, mmap=True),
            "read from disk": lambda: read_plainly(plain, arrays),
            "load from disk": lambda: dovetail.load(file),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        write_plainly(plain, arrays)
        dovetail.save(state, file)
        for turn in range(-WARM_ROUNDS, arguments.rounds):
            for name, step in sorted(steps.items(), reverse=bool(turn % 2)):  # none always after the same one
                if name.endswith("disk"):
                    forget(plain)
                    forget(file)
                taken = seconds(step)
                if turn >= 0:
                    times[name].append(taken)
    for name, found in times.items():
        median, best = statistics.median(found), min(found)
        print(f"{name:16} median {median * 1e3:7.1f} ms, best {best * 1e3:7.1f} ms", end="")
        print(f", {arguments.megabytes / 1024 / best:8.2f} GiB/s")
    pairs = {"save": "write and fsync", "load from memory": "read from memory", "load from disk": "read from disk"}
    for name, plainly in pairs.items():
        medians = statistics.median(times[plainly]) / statistics.median(times[name])
        best = min(times[plainly]) / min(times[name])
        print(f"{name} runs at {best:.2f} of the speed of: {plainly}, by the best times; {medians:.2f} by the medians")


if __name__ == "__main__":
    main()

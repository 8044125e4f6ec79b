"""Kill worker processes of a loader at random moments, and see that each time an error says so and nothing is left.

python scripts/kill_workers.py --kills 500
"""

import argparse
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from dovetail.data import DataLoader, Dataset
from dovetail.errors import WorkerError


class Samples(Dataset):
    """Samples of 100 kB that take about half a millisecond."""

    def __len__(self) -> int:
        return 200

    def __getitem__(self, index: int) -> np.ndarray:
        time.sleep(0.0005)
        return np.full(25_000, index, np.float32)


def left() -> tuple[int, int]:
    """Children and open files of this process."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    return len(children), len(os.listdir("/proc/self/fd"))


def once(loader: DataLoader) -> tuple[str, float]:
    """Kill one worker somewhere in a pass; return what became of the pass, and how long after the kill."""
    batches = iter(loader)
    pids = [worker.process.pid for worker in batches.pool.workers]
    killed: list[float] = []

    def kill() -> None:
        with suppress(ProcessLookupError):  # the pass is over, and the workers with it
            os.kill(random.choice(pids), signal.SIGKILL)
            killed.append(time.perf_counter())

    timer = threading.Timer(random.uniform(0, 0.1), kill)
    timer.start()
    outcome, expected = "finished before the kill", 0
    try:
        for batch in batches:
            if batch[:, 0].tolist() != list(range(expected, expected + len(batch))):
                return "WRONG BATCH", 0.0
            expected += len(batch)
        if expected != len(loader.dataset):
            return "ENDED EARLY", 0.0
    except WorkerError as error:
        outcome = "error" if "SIGKILL" in str(error) else f"OTHER ERROR {error}"
    seconds = time.perf_counter() - killed[0] if killed else 0.0
    timer.cancel()
    timer.join()
    return outcome, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many passes (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args()
    random.seed(options.seed)
    outcomes: Counter[str] = Counter()
    times, before = [], left()
    for number in range(options.kills):
        loader = DataLoader(Samples(), batch_size=10, num_workers=2, persistent_workers=bool(number % 2))
        outcome, seconds = once(loader)
        del loader
        outcomes[outcome] += 1
        if outcome == "error":
            times.append(seconds)
        if left() != before:
            outcomes["LEFT SOMETHING BEHIND"] += 1
    for outcome, count in outcomes.most_common():
        print(f"{count:5} {outcome}")
    if times:
        print(f"from the kill to the error: median {statistics.median(times):.3f} s, at most {max(times):.3f} s")


if __name__ == "__main__":
    main()

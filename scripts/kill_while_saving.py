"""Kill a process with SIGKILL while it overwrites a checkpoint, again and again, and look at what is left.

After each kill the file must load and hold the whole of one of the two contents that were being written in turn.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLE = """example:
  python scripts/kill_while_saving.py                          # 2,000 kills while 50 MB are written
  python scripts/kill_while_saving.py --kills 50 --in-place    # what becomes of a file that is simply overwritten
"""
SAVES_PER_KILL = 3  # a kill comes at any instant of so many saves, all equally likely
TENSORS = 10


def contents(megabytes: float) -> list[dict[str, Any]]:
    """Two checkpoints of the same size that differ in every tensor."""
    import numpy as np

    numbers = max(1, int(megabytes * 1e6) // (4 * TENSORS))
    drawn = np.random.default_rng(0)
    made = []
    for which in ("first", "second"):
        tensors = {f"layer{index}": drawn.random(numbers, np.float32) for index in range(TENSORS)}
        made.append({"which": which, "tensors": tensors})
    return made


def same(one: dict[str, Any], other: Any) -> bool:
    """Whether a loaded checkpoint holds exactly the numbers of the one that was written."""
    pairs = [(other["tensors"][name], array) for name, array in one["tensors"].items()]
    return all((loaded == array).all() for loaded, array in pairs)


def overwriting(made: list[dict[str, Any]], path: Path) -> Callable[[Any, Path], None]:
    """A way to save as most programs do: empty the file that is there, then fill it."""
    import dovetail

    written = {}
    for obj in made:
        dovetail.save(obj, path)
        written[obj["which"]] = path.read_bytes()

    def overwrite(obj: Any, path: Path) -> None:
        path.write_bytes(written[obj["which"]])

    return overwrite


def write_until_killed(save: Callable[[Any, Path], None], made: list[Any], path: Path, turn: int) -> int:
    """Start a process that writes the contents in turn; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        while True:
            save(made[turn % 2], path)
            turn += 1
    except BaseException as error:
        print(f"the process that saves failed: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def kill_once(save: Callable[[Any, Path], None], made: list[Any], path: Path, before: int, delay: float) -> str:
    """Kill a process after so many seconds of writing; return what is in the file then."""
    import dovetail

    child = write_until_killed(save, made, path, before + 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the process that saves ended before it was killed")
    try:
        loaded = dovetail.load(path)
    except (dovetail.errors.DovetailError, OSError) as error:
        return f"lost: {error}"
    which = ["first", "second"].index(loaded["which"])
    return loaded["which"] if same(made[which], loaded) else "lost: it loads, but holds other numbers"


def seconds_of_one_save(save: Callable[[Any, Path], None], made: list[Any], path: Path) -> float:
    """The time that a save takes here, as the mean of five."""
    save(made[1], path)
    start = time.perf_counter()
    for turn in range(5):
        save(made[turn % 2], path)
    return (time.perf_counter() - start) / 5


def run(kills: int, megabytes: float, folder: Path, in_place: bool, seed: int) -> Counter[str]:
    """Kill so many times; return how often each thing was found."""
    import dovetail

    made, path = contents(megabytes), folder / "checkpoint.safetensors"
    save = overwriting(made, path) if in_place else dovetail.save
    longest = SAVES_PER_KILL * seconds_of_one_save(save, made, path)
    print(f"{path.stat().st_size} bytes; each kill within {longest:.3f} s of starting to save", flush=True)
    draw, found, before = random.Random(seed), Counter[str](), 0
    for kill in range(1, kills + 1):
        outcome = kill_once(save, made, path, before, draw.uniform(0, longest))
        if outcome.startswith("lost"):
            print(f"kill {kill}: {outcome}", file=sys.stderr, flush=True)
            found["neither"] += 1
            dovetail.save(made[before], path)
        else:
            now = ["first", "second"].index(outcome)
            found["before" if now == before else "other"] += 1
            before = now
        leftovers = [file for file in folder.iterdir() if file != path]
        found["left over"] += bool(leftovers)
        for file in leftovers:
            file.unlink()
        if kill % 100 == 0:
            print(f"{kill} kills: {dict(found)}", flush=True)
    return found


def main() -> int:
    """Run and report; the exit code is 0 when nothing was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--megabytes", type=float, default=50, help="size of the checkpoint")
    parser.add_argument("--folder", help="where to write; a folder of its own is made in it (default: the system's)")
    parser.add_argument("--in-place", action="store_true", help="overwrite the file itself, to see that this is found")
    parser.add_argument("--seed", type=int, default=0, help="for the instants")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads cannot be forked safely
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = run(arguments.kills, arguments.megabytes, Path(folder), arguments.in_place, arguments.seed)
    print(
        f"{arguments.kills} kills in {time.monotonic() - start:.0f} s, "
        f"{found['left over']} of which left a temporary file: {found['before']} times the file from before, "
        f"{found['other']} times the other one, {found['neither']} times neither"
    )
    return 1 if found["neither"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Flip single bits of saved files, cut them and lengthen them, and count what loading says to that.

Every bit of small files, of every kind of value and as PyTorch's files are, and drawn bits of files of 1 MB and 50 MB,
half of them in the header. A flip is silent when the file loads and holds something else than what was saved: there
must be none.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXAMPLE = """example:
  python scripts/flip_bits.py                                   # 20,000 flips in large files, all in a small one
  python scripts/flip_bits.py --flips 200 --without-checksums   # the same numbers as another tool writes them
"""
LARGE_SHARE = 0.1  # of the flips go to the 50 MB file, whose loads take longest
SIZES = {"1 MB": 1_000_000, "50 MB": 50_000_000}


def every_kind() -> dict[str, Any]:
    """An object that holds every kind of value that can be saved."""
    from collections import OrderedDict

    import numpy as np

    import dovetail

    tensors = {
        name: dovetail.from_numpy((np.arange(3) % 2).astype(dovetail.dtypes.named(name).numpy))
        for name in dovetail.dtypes.DTYPES
    }
    tied, shown = dovetail.ones(2, requires_grad=True), dovetail.arange(6)
    return {
        "tensors": tensors,
        "tied": [tied, tied],
        "views": [shown, shown[2:], shown.reshape(2, 3).T],
        "shapes": (np.zeros((0, 3)), np.array(5), np.arange(6).reshape(2, 3).T),
        "plain": [None, True, 7, -(10**20), 0.1, float("nan"), float("inf"), 2 - 1j, "ünï", b"\x00\xff"],
        "ordered": OrderedDict([(1, "one"), ((2, 3), {"$odd": None})]),
        "others": [dovetail.float16, dovetail.device("cpu"), tied.shape, np.float32(0.1), np.complex128(1j)],
    }


def same(one: Any, other: Any) -> bool:
    """Whether two objects are equal in types, dtypes, shapes and every bit of their numbers."""
    import numpy as np

    import dovetail

    if type(one) is not type(other):
        return False
    if isinstance(one, dovetail.Tensor):
        return one.requires_grad == other.requires_grad and same(one.detach().numpy(), other.detach().numpy())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


class Damaged:
    """A saved file that is changed in place and loaded again and again."""

    def __init__(self, path: Path, obj: Any, writer: str = "safetensors") -> None:
        import dovetail

        self.path, self.found = path, Counter[str]()
        if writer == "another tool":
            import safetensors.numpy

            safetensors.numpy.save_file(obj, path)
        else:
            dovetail.save(obj, path, format=writer)
        self.size = path.stat().st_size
        self.saved = dovetail.load(path)  # another tool's arrays are tensors then
        if writer != "another tool" and not same(obj, self.saved):
            raise SystemExit("what is loaded from an undamaged file is not what was saved")
        with open(path, "rb") as file:
            self.header = 8 + int.from_bytes(file.read(8), "little")

    def load(self, what: str) -> None:
        """Load, and count what came of it; ``what`` was done to the file."""
        import dovetail

        try:
            loaded = dovetail.load(self.path)
        except dovetail.errors.LoadError:
            self.found["refused"] += 1
            return
        except Exception as error:
            self.found["failed otherwise"] += 1
            print(f"{what}: {type(error).__name__}: {error}", file=sys.stderr)
            return
        equal = same(self.saved, loaded)
        self.found["loaded equal" if equal else "silent"] += 1
        if not equal:
            print(f"{what}: silent", file=sys.stderr)

    def flip(self, bits: Iterable[int]) -> None:
        """Flip each of the bits in turn, and flip it back after the load."""
        with open(self.path, "r+b", buffering=0) as file:
            for bit in bits:
                [byte] = os.pread(file.fileno(), 1, bit // 8)
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit % 8]), bit // 8)
                self.load(f"bit {bit % 8} of byte {bit // 8} of {self.size}")
                os.pwrite(file.fileno(), bytes([byte]), bit // 8)

    def drawn(self, number: int, draw: random.Random) -> Iterable[int]:
        """So many bits, half of them in the header."""
        for index in range(number):
            yield draw.randrange(8 * (self.header if index % 2 else self.size))

    def cut_and_lengthen(self, draw: random.Random) -> None:
        """Cut the file at every length, and lengthen it by 1 to 64 bytes of several kinds."""
        content = self.path.read_bytes()
        for length in range(len(content)):
            self.path.write_bytes(content[:length])
            self.load(f"cut to {length} of {self.size} bytes")
        for more in range(1, 65):
            for added in (bytes(more), b" " * more, draw.randbytes(more), content[:more], content[-more:]):
                self.path.write_bytes(content + added)
                self.load(f"lengthened by {added!r}")
        self.path.write_bytes(content)

    def report(self, title: str, start: float) -> bool:
        """Print what was found, and forget it; whether all was well."""
        total, well = sum(self.found.values()), self.found.keys() <= {"refused", "loaded equal"}
        kinds = ", ".join(f"{self.found[kind]} {kind}" for kind in ("refused", "loaded equal", "silent"))
        others = f", {self.found['failed otherwise']} failed otherwise"
        print(f"{title}: {total}: {kinds}{others} ({time.monotonic() - start:.0f} s)", flush=True)
        self.found.clear()
        return well


def pytorch_kinds() -> dict[str, Any]:
    """An object of values that PyTorch's files have."""
    import dovetail

    names = [name for name in dovetail.dtypes.DTYPES if dovetail.dtypes.named(name).is_floating_point]
    tensors = {name: dovetail.ones(2, 3, dtype=dovetail.dtypes.named(name)) for name in names}
    return {**tensors, "view": dovetail.arange(6).reshape(2, 3).T, "plain": [None, True, 7, 0.1, "text"]}


def small_file(folder: Path, obj: Any, writer: str, draw: random.Random) -> bool:
    """Every bit, cut and added byte of a small file; whether all was well."""
    small, start = Damaged(folder / "small", obj, writer), time.monotonic()
    small.flip(range(8 * small.size))
    well = small.report(f"every bit of a {writer} file of {small.size} bytes", start)
    start = time.monotonic()
    small.cut_and_lengthen(draw)
    return small.report("every cut and added bytes", start) and well


def large_files(folder: Path, flips: int, writer: str, draw: random.Random) -> bool:
    """Drawn bits of the large files; whether all was well."""
    import numpy as np

    well = True
    shares = {"1 MB": flips - int(flips * LARGE_SHARE), "50 MB": int(flips * LARGE_SHARE)}
    for title, number in shares.items():
        numbers = np.random.default_rng(0).random((10, SIZES[title] // 40), np.float32)
        arrays = {f"layer{index}": array.copy() for index, array in enumerate(numbers)}
        large, start = Damaged(folder / "large", arrays, writer), time.monotonic()
        large.flip(large.drawn(number, draw))
        well = large.report(f"drawn bits of a file of {title}", start) and well
    return well


def main() -> int:
    """Run and report; the exit code is 0 when nothing was silent and nothing else than LoadError was raised."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=20_000, help="in the large files, beside all of the small one")
    parser.add_argument("--without-checksums", action="store_true", help="large files only, from safetensors' writer")
    parser.add_argument("--folder", help="where to write; a folder of its own is made in it (default: the system's)")
    parser.add_argument("--seed", type=int, default=0, help="for the bits")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        well = True
        if not arguments.without_checksums:
            well = small_file(Path(folder), every_kind(), "safetensors", draw)
            well = small_file(Path(folder), pytorch_kinds(), "torch", draw) and well
        writer = "another tool" if arguments.without_checksums else "safetensors"
        well = large_files(Path(folder), arguments.flips, writer, draw) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

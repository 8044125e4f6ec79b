"""Give ``dovetail.load`` files that lie, made at random, and look that it returns or raises LoadError, nothing else.

Valid files are taken apart, changed (lengths, places, dtypes, shapes, names, metadata, structure), mostly given right
checksums again, so that the reader gets further, and put together. Some files are bytes without any sense.
"""

import argparse
import copy
import json
import os
import random
import struct
import sys
import tempfile
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flip_bits import every_kind

EXAMPLE = """example:
  python scripts/fuzz_load.py --seconds 300
"""
TAGS = (
    "$tensor", "$array", "$scalar", "$float", "$complex", "$bytes", "$tuple", "$size", "$dict", "$ordered", "$dtype",
    "$device", "$generator", "$shape", "$import", "$",
)  # fmt: skip
FORMATS = ("BOOL", "U8", "I8", "U16", "I64", "F16", "BF16", "F32", "F64", "C64", "F8_E4M3", "F8_E5M2", "F4", "X", "f32")
MEMORY_PER_BYTE, MEMORY_BESIDE = 2, 16_000_000  # what a load may take
MEMORY_PER_HEADER_BYTE = 64  # and for the header, in which an empty list takes 3 bytes
SECONDS = 10  # a load of so small a file takes milliseconds; more than this hangs


def nested(depth: int, kind: str = "list") -> Any:
    """A value nested so deep."""
    value: Any = 0
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


def odd_value(draw: random.Random) -> Any:
    """A value of JSON that a header hardly expects."""
    plain = [
        None, True, False, "", "F32", "a" * 1000, "\ud800", "\0", "cpu", "acme:3", "nan", "1e999", "x" * 5000, [], {},
        0, 1, -1, 2, 3, 4, 8, 7.5, -0.0, 1e308, float("nan"), float("inf"), -float("inf"),
        2**31, 2**32, 2**53 + 1, 2**62, 2**63, 2**64, -(2**63), 10**30, 10**400, 10**4000, [10**4000] * 2,
        [[]], [0, 4], [4, 0], [2**62, 2**62, 4], [0] * 64, [1] * 65, [0, 2**63], [-1, -1], [True, 2], [1.0], ["1"],
    ]  # fmt: skip
    if draw.random() < 0.1:
        return nested(draw.choice([5, 50, 300, draw.randrange(850, 1000), 3000]), draw.choice(["list", "dict"]))
    return draw.choice(plain)


def view(draw: random.Random) -> list[Any]:
    """A view of stored memory, mostly of more of it than there is."""
    count = draw.choice([0, 1, 1, 2, 3, 64])
    numbers = [0, 1, 2, 3, 4, 8, -8, 2**31, 2**62, 2**63]
    sizes, steps = ([draw.choice([*numbers, odd_value(draw)]) for _ in range(count)] for _ in range(2))
    return [
        draw.choice(["float32", "bool", "int64", "complex64", "complex128", "U8", ""]),
        draw.choice(numbers),
        sizes,
        steps,
    ]


def structure(draw: random.Random, names: list[str], depth: int = 0) -> Any:
    """A structure of the kinds that files have, with arguments that may not fit."""
    if depth > 4 or draw.random() < 0.2:
        return draw.choice([*names, odd_value(draw), draw.randrange(-9, 9), draw.random()])
    inner = [structure(draw, names, depth + 1) for _ in range(draw.randrange(4))]
    kind = draw.random()
    if kind < 0.2:
        return inner
    if kind < 0.4:
        return {draw.choice(["a", "b", "", "$", "weight"]): item for item in inner}
    argument = draw.choice([inner, [[item, item] for item in inner], *names, odd_value(draw)])
    tagged: dict[str, Any] = {draw.choice(TAGS): argument}
    if draw.random() < 0.4:
        tagged["dtype"] = draw.choice(["complex128", "float32", odd_value(draw)])
    if draw.random() < 0.4:
        tagged["requires_grad"] = draw.choice([True, odd_value(draw)])
    if draw.random() < 0.3:
        tagged["view"] = draw.choice([view(draw), odd_value(draw)])
    return tagged


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container inside a value of JSON with each of its keys."""
    found, waiting = [], [value]
    while waiting:
        here = waiting.pop()
        items = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        for key, item in items:
            found.append((here, key))
            waiting.append(item)
    return found


class File:
    """A file taken apart: its header as an object, and its data."""

    def __init__(self, content: bytes) -> None:
        length = int.from_bytes(content[:8], "little")
        self.header: dict[str, Any] = json.loads(content[8 : 8 + length])
        self.data = content[8 + length :]

    @property
    def names(self) -> list[str]:
        return [name for name in self.header if name != "__metadata__"]

    @property
    def metadata(self) -> dict[str, Any]:
        found = self.header.get("__metadata__")
        return found if isinstance(found, dict) else {}

    def seal(self) -> None:
        """Put right checksums into the metadata, whatever is in the file."""
        if not self.metadata:
            return
        sums = {}
        for name in self.names:
            try:
                begin, end = self.header[name]["data_offsets"]
                sums[name] = f"{zlib.crc32(self.data[begin:end]):08x}"
            except (TypeError, ValueError, KeyError):
                sums[name] = "00000000"
        self.metadata.pop("dovetail.header", None)
        self.metadata["dovetail.checksums"] = json.dumps(sums)
        canonical = json.dumps(self.header, separators=(",", ":"), sort_keys=True).encode()
        self.metadata["dovetail.header"] = f"{zlib.crc32(canonical):08x}"

    def content(self) -> bytes:
        """The file put together."""
        text = json.dumps(self.header, separators=(",", ":")).encode()
        return struct.pack("<Q", len(text)) + text + self.data


def change_a_tensor(file: File, draw: random.Random) -> None:
    """Another dtype, shape or place of a tensor, or none."""
    if not file.names:
        return
    entry = file.header[draw.choice(file.names)]
    if not isinstance(entry, dict):
        return
    field = draw.choice(["dtype", "shape", "data_offsets", "more"])
    if draw.random() < 0.1:
        entry.pop(field, None)
    elif field == "dtype" and draw.random() < 0.7:
        entry[field] = draw.choice(FORMATS)
    elif isinstance(entry.get(field), list) and entry[field] and draw.random() < 0.7:
        index = draw.randrange(len(entry[field]))
        number = entry[field][index]
        nearby = number + draw.choice([-8, -4, -1, 1, 4, 8]) if isinstance(number, int) else 0
        entry[field][index] = draw.choice([nearby, odd_value(draw)])
    else:
        entry[field] = odd_value(draw)


def change_the_tensors(file: File, draw: random.Random) -> None:
    """A tensor less, one that is another's double, an entry that is no tensor's, or one of no elements."""
    name = draw.choice([*file.names, "new", "", "__metadata__", "a\ud800"])
    choice = draw.randrange(4)
    if choice == 0:
        file.header.pop(name, None)
    elif choice == 1 and file.names:
        file.header[name] = copy.deepcopy(file.header[draw.choice(file.names)])
    elif choice == 2:
        file.header[name] = odd_value(draw)
    else:
        shape = draw.choice([[0], [0, 2**62, 2**62], [2**63, 0], [0] * 64, [10**400, 0]])
        offset = draw.choice([0, len(file.data)])
        file.header[name] = {"dtype": draw.choice(FORMATS), "shape": shape, "data_offsets": [offset, offset]}


def change_the_metadata(file: File, draw: random.Random) -> None:
    """Another format, missing keys, values that are no strings."""
    if not file.metadata:
        file.header["__metadata__"] = draw.choice([odd_value(draw), {"dovetail": "1"}, {"a": odd_value(draw)}])
        return
    key = draw.choice([*file.metadata, "dovetail", "new"])
    if draw.random() < 0.3:
        file.metadata.pop(key, None)
    else:
        odd = odd_value(draw)
        file.metadata[key] = draw.choice(["0", "2", "", "[]", "{}", json.dumps(odd), odd])


def change_the_structure(file: File, draw: random.Random) -> None:
    """Another structure, or the file's own with one value replaced."""
    try:
        found = json.loads(file.metadata["dovetail.structure"])
    except (LookupError, TypeError, ValueError, RecursionError):
        found = None
    inside = places(found)
    if inside and draw.random() < 0.5:
        container, key = draw.choice(inside)
        container[key] = draw.choice([odd_value(draw), structure(draw, file.names)])
    else:
        found = structure(draw, file.names)
    text = json.dumps(found)
    if draw.random() < 0.1:
        text = draw.choice(
            ["[" * 5000, text[: len(text) // 2], text + text, "1" * 5000, '{"a":' * 900 + "1" + "}" * 900]
        )
    if file.metadata:
        file.metadata["dovetail.structure"] = text


def change_the_data(file: File, draw: random.Random) -> None:
    """Fewer or more bytes, or others."""
    choice = draw.randrange(3)
    if choice == 0:
        file.data = file.data[: draw.randrange(len(file.data) + 1)]
    elif choice == 1:
        file.data += draw.randbytes(draw.choice([1, 4, 8, 1000]))
    else:
        file.data = draw.randbytes(len(file.data))


CHANGES: list[Callable[[File, random.Random], None]] = [
    change_a_tensor, change_the_tensors, change_the_metadata, change_the_structure, change_the_data,
]  # fmt: skip


def spoilt(content: bytes, draw: random.Random) -> bytes:
    """The bytes of a file with others among them."""
    length = int.from_bytes(content[:8], "little")
    choice = draw.randrange(5)
    if choice == 0:
        odd = draw.choice([0, 1, 2, length - 1, length + 1, len(content) - 8, 2**31, 2**63, 2**64 - 1])
        return struct.pack("<Q", odd % 2**64) + content[8:]
    if choice == 1:  # a name that stands there twice, in JSON that no object can give
        twice = content[8 : 8 + length].rstrip(b" ")
        twice = twice[:-1] + b"," + twice[1:]
        return struct.pack("<Q", len(twice)) + twice + content[8 + length :]
    if choice == 2:
        return draw.randbytes(draw.randrange(200))
    place = draw.randrange(len(content))
    added = draw.choice([b"\xff", b"\0", b"NaN", b'"', b"{", b"[" * 2000, b"\xed\xa0\x80", draw.randbytes(3)])
    replaced = len(added) if choice == 3 else 0
    return content[:place] + added + content[place + replaced :]


def made(draw: random.Random, seeds: list[bytes]) -> bytes:
    """A file that lies, from one of the valid ones."""
    file = File(draw.choice(seeds))
    try:
        for _ in range(draw.randrange(1, 4)):
            draw.choice(CHANGES)(file, draw)
        if draw.random() < 0.8:
            file.seal()
        content = file.content()
    except RecursionError:  # too deep for the writer; there are such texts among those that are no objects
        content = draw.choice(seeds)
    return spoilt(content, draw) if draw.random() < 0.15 else content


def valid_files(folder: Path) -> list[bytes]:
    """What ``save`` and another tool's writer give for some objects."""
    import numpy as np
    import safetensors.numpy

    import dovetail

    path = folder / "valid.safetensors"
    contents = []
    for obj in [every_kind(), {"weight": np.arange(6.0)}, {"a": [dovetail.ones(2), 1]}, {}, [1, "two"], np.array(5)]:
        dovetail.save(obj, path)
        contents.append(path.read_bytes())
    for arrays in ({"weight": np.arange(6.0), "bias": np.zeros(2, np.float16)}, {}):
        safetensors.numpy.save_file(arrays, path, {"format": "np"})
        contents.append(path.read_bytes())
    path.unlink()
    return contents


def outcome(content: bytes, path: Path) -> str:
    """What loading a file with this content comes to: "returned", "refused", or what went wrong."""
    import dovetail

    path.write_bytes(content)
    header = min(len(content), int.from_bytes(content[:8], "little"))
    allowed = MEMORY_PER_BYTE * len(content) + MEMORY_BESIDE + MEMORY_PER_HEADER_BYTE * header
    tracemalloc.start()
    start = time.monotonic()
    try:
        dovetail.load(path)
        result = "returned"
    except dovetail.errors.LoadError as error:
        result = "refused" if str(error).startswith(str(path)) else f"the error does not begin with the file: {error}"
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if taken > allowed:
        result = f"took {taken} bytes of memory for a file of {len(content)}"
    if (seconds := time.monotonic() - start) > SECONDS:
        result = f"took {seconds:.1f} s"
    return result


def main() -> int:
    """Run and report; the exit code is 0 when every file was loaded or refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="a folder for the files that were neither loaded nor refused")
    arguments = parser.parse_args()
    draw, found = random.Random(arguments.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        path, seeds = Path(name) / "odd.safetensors", valid_files(Path(name))
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            content = made(draw, seeds)
            result = outcome(content, path)
            known = result in ("returned", "refused")
            kind = result if known else result.split(":")[0][:60]
            if not known and not found[kind]:
                print(f"{result:.300}", file=sys.stderr, flush=True)
                if arguments.keep:
                    os.makedirs(arguments.keep, exist_ok=True)
                    Path(arguments.keep, f"{zlib.crc32(content):08x}.safetensors").write_bytes(content)
            found[kind] += 1
    print(f"{sum(found.values())} files in {arguments.seconds:.0f} s: {dict(found)}")
    return 0 if found.keys() <= {"returned", "refused"} else 1


if __name__ == "__main__":
    sys.exit(main())

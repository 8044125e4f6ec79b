"""Compare what Dovetail loads from 354 files that PyTorch wrote with what it wrote: `python scripts/torch_files.py`.

It prints how many files there were, how many tensors, and each difference. It needs PyTorch.
"""

import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import dovetail
from dovetail.torch_files import reading

DTYPES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 "
    "float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu"
)


def random_tensor(torch: Any, name: str, *sizes: int) -> Any:
    """A tensor of any dtype whose bits are random; of bool, whose bytes are 0 or 1."""
    dtype = getattr(torch, name)
    if name == "bool":
        return torch.rand(sizes) < 0.5
    count = int(np.prod(sizes, dtype=int)) * dtype.itemsize
    return torch.randint(0, 256, (count,), dtype=torch.uint8).view(dtype).reshape(sizes)


def dtype_objects(torch: Any) -> Iterator[tuple[str, Any]]:
    """For each dtype: whole tensors, 0-d and empty ones, views, shared storages, parameters."""
    for name in DTYPES.split():
        base = random_tensor(torch, name, 4, 6)
        yield f"{name} whole", {"w": base, "deep": [(random_tensor(torch, name, 2, 1, 3),)]}
        yield f"{name} 0-d and empty", [random_tensor(torch, name), base[:0], base[2:, 6:], base[1, 1]]
        yield f"{name} views", [base.t(), base[::2, 1::3], base[3], base.expand(2, 4, 6), base.unsqueeze(1)]
        yield f"{name} shared", {"a": base, "b": base, "c": base[1:], "d": base.view(-1)[3:9].view(2, 3)}
        yield f"{name} dtype", {"dtype": getattr(torch, name), "t": random_tensor(torch, name, 257)}
        floating = base.dtype.is_floating_point or base.dtype.is_complex
        yield (
            f"{name} parameter",
            [torch.nn.Parameter(base, requires_grad=floating and base.dtype.itemsize > 1), base],
        )


def modules(torch: Any) -> Iterator[tuple[str, Any]]:
    """Modules with the sizes of small examples."""
    nn = torch.nn
    tied = nn.ModuleDict({"in": nn.Embedding(7, 4), "out": nn.Linear(4, 7, bias=False)})
    tied["out"].weight = tied["in"].weight
    yield "linear", nn.Linear(3, 2)
    yield "convolution", nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 2, 2))
    yield "recurrent", nn.ModuleList([nn.LSTM(3, 5, 2, bidirectional=True), nn.GRU(3, 4)])
    yield "attention", nn.TransformerEncoderLayer(8, 2, 16)
    yield "tied", tied
    yield "half", nn.Linear(3, 2).half()
    yield "bfloat16", nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)).bfloat16()
    yield "channels last", nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)


def state_dicts(torch: Any) -> Iterator[tuple[str, Any]]:
    """Modules' state_dicts, also with all that a training run keeps beside them."""
    for name, module in modules(torch):
        yield f"state_dict {name}", module.state_dict()
        yield f"parameters {name}", list(module.parameters())
        yield (
            f"checkpoint {name}",
            {"model": module.state_dict(), "epoch": 3, "best": 0.5, "rng": torch.get_rng_state()},
        )


def optimizers(torch: Any) -> Iterator[tuple[str, Any]]:
    """Optimizers' and schedulers' state_dicts after a step."""
    for name in ("SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"):
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        optimizer = getattr(torch.optim, name)(
            model.parameters(), lr=0.1, **({"momentum": 0.9} if name == "SGD" else {})
        )
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2, 2])
        model(torch.rand(5, 3)).sum().backward()
        optimizer.step()
        scheduler.step()
        yield f"optimizer {name}", optimizer.state_dict()
        yield (
            f"run {name}",
            {"model": model.state_dict(), "opt": optimizer.state_dict(), "sched": scheduler.state_dict()},
        )


def values(torch: Any) -> Iterator[tuple[str, Any]]:
    """Containers, plain values, and tensors whose numbers are conjugated or negated when they are read."""
    z = random_tensor(torch, "complex64", 3, 2)
    yield "numbers", [None, True, False, 0, 255, 256, 70_000, -1, 2**31, -(2**70), 1.5, float("inf"), float("nan"), 1j]
    yield "texts", ["", "a" * 300, "ünï\0💡", b"", b"\0\xff", bytearray(b"abc"), bytearray()]
    yield "containers", [[], (), {}, set(), {1, "a"}, frozenset([2]), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[[]]]]
    yield "others", [torch.Size([2, 3]), torch.device("cuda:1"), torch.device("cpu"), torch.strided, slice(1, None, 2)]
    yield "ordered", OrderedDict([("b", 1), ("a", OrderedDict())])
    yield "keys", {1: "a", (1, "b"): "c", None: 2, 2.5: 3, False: 4, b"x": 5}
    yield "one list twice", [same := [1], same, {"again": same}]
    yield "conjugated", [z.conj(), z.conj().t(), z]
    yield "negated", [z.conj().imag, z.real, z.imag]
    yield "alone", random_tensor(torch, "float32", 5)
    yield "many", {f"layer.{index}": random_tensor(torch, "float32", 2) for index in range(400)}


def objects(torch: Any) -> list[tuple[str, Any]]:
    """Everything, with names."""
    return [pair for group in (dtype_objects, state_dicts, optimizers, values) for pair in group(torch)]


def bits(array: np.ndarray) -> tuple[Any, ...]:
    """What makes two arrays equal bit for bit."""
    return array.dtype.name, array.shape, array.tobytes()


def torch_bits(torch: Any, tensor: Any) -> tuple[Any, ...]:
    """The same of PyTorch's tensor."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    content = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), content


class Comparison:
    """Walks an object of Dovetail's and one of PyTorch's together."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.differences: list[str] = []
        self.tensors = 0
        self.places: dict[int, set[int]] = {}

    def compare(self, ours: Any, theirs: Any, path: str) -> None:
        """Note where the two differ."""
        torch = self.torch
        if isinstance(theirs, torch.Tensor):
            self.compare_tensors(ours, theirs, path)
        elif isinstance(theirs, torch.Size | torch.dtype | torch.device | torch.layout):
            expected = str(theirs).removeprefix("torch.")
            found = getattr(ours, "name", str(ours)).removeprefix("dovetail.")
            self.note(found == expected, path, ours, theirs)
        elif isinstance(theirs, dict | list | tuple):
            self.note(type(ours) is type(theirs) and len(ours) == len(theirs), path, ours, theirs)
            if isinstance(theirs, dict):
                self.note(list(ours) == list(theirs), path, ours, theirs)
            keys = theirs if isinstance(theirs, dict) else range(len(theirs))
            for key in keys:
                self.compare(ours[key], theirs[key], f"{path}[{key!r}]")
        else:
            same = type(ours) is type(theirs) and (ours == theirs or ours != ours)
            self.note(same, path, ours, theirs)

    def compare_tensors(self, ours: Any, theirs: Any, path: str) -> None:
        """Bits, strides, whether gradients are required, and which memory is shared."""
        self.tensors += 1
        array = ours if isinstance(ours, np.ndarray) else ours.detach().numpy()
        self.note(bits(array) == torch_bits(self.torch, theirs), path, ours, theirs)
        if isinstance(ours, dovetail.Tensor):
            self.note(ours.requires_grad == theirs.requires_grad, path + " requires_grad", ours, theirs)
        if theirs.numel() and not (theirs.is_conj() or theirs.is_neg()):
            strides = tuple(step * theirs.element_size() for step in theirs.stride())
            self.note(array.strides == strides, path + " strides", array.strides, strides)
            first = array.__array_interface__["data"][0]
            begin = first - theirs.storage_offset() * theirs.element_size()
            self.places.setdefault(theirs.untyped_storage().data_ptr(), set()).add(begin)

    def note(self, same: bool, path: str, ours: Any, theirs: Any) -> None:
        """Keep a difference."""
        if not same:
            self.differences.append(f"{path}: {ours!r:.200} is not {theirs!r:.200}")

    def check_sharing(self, name: str) -> None:
        """What shares a storage there shares memory here, and nothing else does."""
        starts = [start for found in self.places.values() for start in found]
        self.note(len(starts) == len(self.places) == len(set(starts)), name + " sharing", starts, "one per storage")
        self.places.clear()


def run(folder: Path) -> tuple[int, Comparison]:
    """Write the files, read each as it is and mapped, and compare; returns how many there were, and what was found."""
    import torch

    torch.manual_seed(0)
    comparison, count = Comparison(torch), 0
    for name, value in objects(torch):
        for zipped in (True, False):
            path = folder / f"{count}.pt"
            torch.save(value, path, _use_new_zipfile_serialization=zipped)
            count += 1
            for mapped in (False, True):
                with open(path, "rb") as file:
                    ours = reading.read(str(path), file, mmap=mapped)
                comparison.compare(ours, value, f"{name} zip={zipped}")
                comparison.check_sharing(name)
            path.unlink()
    return count, comparison


def main() -> int:
    """Print the figures."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        count, comparison = run(Path(folder))
    print(*comparison.differences, sep="\n")
    seconds = time.perf_counter() - begin
    print(f"{count} files, each read twice, {comparison.tensors} tensors, {len(comparison.differences)} differences")
    print(f"{seconds:.1f} s")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())

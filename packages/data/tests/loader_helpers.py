"""Datasets for the tests of the loader, in a module that started processes can import; and a look at what is left."""

import contextlib
import os
import random
from pathlib import Path

import numpy as np

import dovetail
from dovetail.data import Dataset, IterableDataset, get_worker_info

#: How batches can be made; all must give the same.
WAYS = {
    "here": {},
    "1 process": {"num_workers": 1},
    "2 processes": {"num_workers": 2},
    "4 processes": {"num_workers": 4},
    "2 spawned": {"num_workers": 2, "multiprocessing_context": "spawn"},
    "1 thread": {"num_workers": 1, "worker": "thread"},
    "3 threads": {"num_workers": 3, "worker": "thread"},
}


class Augmented(Dataset):
    """Samples with random numbers of their own."""

    def __init__(self, length=23):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(index)
        return index, dovetail.rand(2), dovetail.randn(1)


class Globals(Augmented):
    """Samples that draw from the generators of Python and NumPy."""

    def __getitem__(self, index):
        return index, random.random(), np.random.rand()


class Shared(Dataset):
    """Tells where its arrays are, and writes to one of them."""

    def __init__(self):
        self.arrays = {
            "plain": np.arange(200_000.0),
            "columns": np.asfortranarray(np.arange(90_000.0).reshape(300, 300)),
            "constant": np.arange(100_000),
            "small": np.arange(5),
        }
        self.arrays["constant"].flags.writeable = False
        self.halves = dovetail.arange(100_000).to(dovetail.bfloat16)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        arrays = [*self.arrays.values(), self.halves.view(dovetail.int16).numpy()]
        shared = [shared_memory_holds(array) for array in arrays]
        self.arrays["plain"][0] += 1
        return shared, [float(array.sum()) for array in arrays[1:]], self.arrays["plain"][0], get_worker_info().id


def shared_memory_holds(array):
    """Whether an array lies in a file in memory."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        first, last = (int(number, 16) for number in line.split()[0].split("-"))
        if first <= address < last:
            return "/memfd:dovetail-batch" in line
    return False


class Mapped(Dataset):
    """Tokens in a file that is mapped into memory."""

    def __init__(self, path):
        np.arange(100, 130, dtype=np.int16).tofile(path)
        self.tokens = np.memmap(path, np.int16, "r", offset=4, shape=(4, 7), order="F")
        self.part = self.tokens[1:3]
        self.written = np.memmap(path, np.int16, "c")
        self.written[0] = -1

    def __len__(self):
        return 4

    def __getitem__(self, index):
        kinds = [type(array).__name__ for array in (self.tokens, self.part, self.written)]
        return kinds, self.tokens[index].tolist(), self.part.tolist(), int(self.written[0]), self.tokens.flags.writeable


class GlobalStream(IterableDataset):
    """A stream that draws from them, at its start and for each sample."""

    def __iter__(self):
        order = list(range(23))
        random.shuffle(order)
        for number in order:
            yield number, random.random(), np.random.randn()


class Counting(IterableDataset):
    """Numbers in an order that is shuffled at the start, each worker its part, with random numbers beside them."""

    def __init__(self, length=23):
        self.length = length

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        for number in dovetail.randperm(self.length).tolist()[worker::workers]:
            yield number, dovetail.rand(1)


class Failing(Dataset):
    """A dataset whose sample 5 calls a function."""

    def __init__(self, act, length=12):
        self.act, self.length = act, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == 5:
            self.act()
        return index


def plain(batch):
    """A batch as lists and numbers."""
    if isinstance(batch, dovetail.Tensor):
        return batch.tolist()
    if isinstance(batch, (list, tuple)):
        return [plain(part) for part in batch]
    return batch


def left_behind():
    """Children of this process and its open files; nothing waits for the collector of cycles."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    helpers = (b"resource_tracker", b"forkserver")  # of multiprocessing, for the rest of the program
    ours = [child for child in children if not any(name in _command(child) for name in helpers)]
    files = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the folder itself, while it was read
            files.append(os.readlink(f"/proc/self/fd/{number}"))
    return len(ours), sorted(name.split(":")[0] for name in files)


def _command(process):
    return Path(f"/proc/{process}/cmdline").read_bytes()

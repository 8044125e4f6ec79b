"""Tensors with a hidden batch dimension: a backend whose arrays are Dovetail tensors.

Inside ``vmap`` a tensor that is mapped over holds a ``BatchedArray``, which shows the sizes of one sample and keeps the
whole batch, the *physical* tensor. Its device is one of this module's, of which there is one for each depth of ``vmap``
in ``vmap``. So everything above the kernels (promotion, views, the tape) works on one sample, and the kernels
here run ops on the physical tensors, which may be batched themselves, and which have a tape of their own: gradients
taken inside ``vmap`` are those of each sample, and gradients taken around it go through the physical tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from math import prod
from textwrap import indent
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dovetail.autograd.graph import LEAF, Output, new_node, next_sequence
from dovetail.backends import registry
from dovetail.backends.base import Backend
from dovetail.device import Device
from dovetail.errors import VmapError
from dovetail.modes import state
from dovetail.op import OPS, Op
from dovetail.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dovetail.dtypes import DType


class BatchedArray:
    """One sample's view of a physical tensor.

    Attributes:
        tensor: the physical tensor; its first dimension is the batch when ``batched``.
        batched: False for a tensor that is the same for all samples and has joined the batched ones.
        shape, dtype: those of a sample.
    """

    __slots__ = ("batched", "dtype", "shape", "tensor")

    def __init__(self, tensor: Tensor, batched: bool) -> None:
        self.tensor = tensor
        self.batched = batched
        shape = tensor._array.shape
        self.shape: tuple[int, ...] = tuple(shape[1:] if batched else shape)
        self.dtype: DType = tensor.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)


class Level:
    """One ``vmap`` that is running: the size of its batch, where its tensors are, and how it draws random numbers."""

    def __init__(self, depth: int, size: int, randomness: str, place: Device) -> None:
        self.depth = depth
        self.size = size
        self.randomness = randomness
        self.place = place
        self.device = level_device(depth)
        self.entered = next_sequence()


class _Levels(threading.local):
    """The levels that are running in this thread, outermost first."""

    def __init__(self) -> None:
        self.running: list[Level] = []


levels = _Levels()


@contextmanager
def level_of(size: int, randomness: str, place: Device) -> Iterator[Level]:
    """Run a block inside one more ``vmap``."""
    from dovetail.func.randomness import drawing

    level = Level(len(levels.running) + 1, size, randomness, place)
    levels.running.append(level)
    outer, state.draw = state.draw, drawing
    try:
        yield level
    finally:
        state.draw = outer
        levels.running.pop()


def level_device(depth: int) -> Device:
    """Return the device of the tensors mapped over by the vmap at this depth, 1 for the outermost."""
    name = f"vmap{depth}"
    if name not in registry.internal:
        registry.internal[name] = BatchedBackend(name, depth)
    return Device(name)


def running(depth: int) -> Level:
    """Return the level at a depth.

    Raises:
        VmapError: it has ended; a tensor got out of its function other than by being returned.
    """
    if depth > len(levels.running):
        raise VmapError(
            "vmap: a tensor of a vmapped function is used after the function has ended; return it from the function "
            "instead of keeping it in a variable from outside"
        )
    return levels.running[depth - 1]


def batched(tensor: Tensor, device: Device) -> Tensor:
    """Return one sample's view of a physical tensor whose first dimension is the batch."""
    return Tensor(BatchedArray(tensor, True), device)


def refuse_numbers() -> NoReturn:
    """Say why what a tensor that is mapped over holds has no answer."""
    raise VmapError(
        "vmap: the numbers of a tensor that is mapped over are asked for (by .item(), .tolist(), .numpy(), bool(), "
        "int(), a mask used as an index, nonzero, unique, printing by format, ...), and each sample has others; "
        "use operations that need no numbers, such as dovetail.where instead of if, or loop over the batch"
    )


class BatchedBackend(Backend):
    """The backend of the tensors inside one depth of ``vmap``; no plug-in sees it."""

    capabilities = frozenset({"float64", "float16", "bfloat16", "complex", "writes", "views"})

    def __init__(self, name: str, level: int) -> None:
        self.name = name
        self.level = level
        self.kernels = _Kernels()

    @property
    def xp(self) -> Any:
        return _Namespace(self.level)

    def owns(self, array: Any) -> bool:
        return type(array) is BatchedArray

    def place(self, device: Device) -> Device:
        return device

    def device_of(self, array: BatchedArray, device: Device) -> Device:
        return array.tensor.device

    # Conversion

    def from_numpy(self, array: np.ndarray, index: int = 0) -> BatchedArray:
        from dovetail.creation import from_array

        return BatchedArray(from_array(array, running(self.level).place), False)

    def to_numpy(self, array: Any) -> np.ndarray:
        refuse_numbers()

    def join(self, x: Tensor, device: Device) -> Tensor:
        """Return a tensor from outside, or of an outer level, as one of this level's."""
        node = x._node
        since = node is not None and (node is LEAF or _sequence(node) < running(self.level).entered)
        source = x
        if since and node is not LEAF and node.op is FRESH:
            source = node.saved[0][0]  # the tensor before its transform, which is this level's business alone
        out = Tensor(BatchedArray(source, False), device)
        if since and state.grad:
            out._node = new_node(JOIN, (x if node is LEAF else node,), x._array.shape)
        return out

    def moved(self, x: Tensor, device: Device) -> Tensor:
        """Return the tensor with its batch on another device."""
        physical = x._array.tensor
        found = physical.to(device)
        if found is physical:
            return x
        out = Tensor(BatchedArray(found, x._array.batched), x._device)
        if x._node is not None and state.grad:
            out._node = new_node(JOIN, (x if x._node is LEAF else x._node,), x._array.shape)
        return out

    def detached(self, array: BatchedArray) -> BatchedArray:
        return BatchedArray(array.tensor.detach(), array.batched)

    def remembers(self, array: BatchedArray) -> bool:
        return array.tensor._node is not None or array.tensor._device.backend.remembers(array.tensor._array)

    def write(self, target: BatchedArray, value: BatchedArray) -> BatchedArray:
        if value.batched and not target.batched:
            self.refuse_write()
        physical = aligned(value, target.ndim)
        target.tensor.copy_(physical)
        return target

    def refuse_write(self) -> NoReturn:
        raise VmapError(
            "vmap: an in-place operation writes what is mapped over into a tensor that is not, which has room for one "
            "sample only; use the operation that returns a new tensor, or make the tensor like one that is mapped over "
            "(x.new_zeros(...), dovetail.zeros_like(x))"
        )

    def shares_memory(self, first: BatchedArray, second: BatchedArray) -> bool:
        inner, other = first.tensor, second.tensor
        if inner is other:
            return True
        if inner._device is not other._device:
            return False
        return inner._device.backend.shares_memory(inner._array, other._array)

    def native_dtype(self, dtype: DType) -> DType:
        return dtype

    def dtype_of(self, array: BatchedArray) -> DType:
        return array.dtype

    def bounds(self, array: BatchedArray) -> tuple[int, int]:
        if not array.tensor.numel():
            return 0, -1
        return array.tensor._device.backend.bounds(array.tensor._array)

    def any_true(self, array: BatchedArray) -> bool:
        return array.tensor._device.backend.any_true(array.tensor._array)

    def text_of(self, array: BatchedArray) -> str:
        where = "bdim=0" if array.batched else "the same for each sample"
        return f"BatchedTensor(lvl={self.level}, {where}, value=\n{indent(repr(array.tensor), '    ')}\n)"

    def prepare(self, kernel: Any, arity: int | None) -> Callable[..., Any]:
        return kernel.run


def _sequence(node: Any) -> int:
    return node.node.sequence if type(node) is Output else node.sequence


class _Namespace:
    """The few functions by which tensors of a level are made; its kernels need none."""

    def __init__(self, level: int) -> None:
        self._level = level

    def full(self, shape: Any, value: Any, dtype: Any = None) -> BatchedArray:
        from dovetail.creation import full

        level = running(self._level)
        return BatchedArray(full((level.size, *shape), value, dtype=dtype, device=level.place), True)

    def zeros(self, shape: Any, dtype: Any = None) -> BatchedArray:
        return self.full(shape, 0, dtype=dtype)

    def empty(self, shape: Any, dtype: Any = None) -> BatchedArray:
        return self.full(shape, 0, dtype=dtype)

    def asarray(self, array: BatchedArray, copy: bool | None = None) -> BatchedArray:
        return BatchedArray(array.tensor.clone() if copy else array.tensor, array.batched)


# What stands in the tape for a tensor that joined a level, and for one that a transform made anew


def _stands(xp: Any, x: Any) -> Any:
    raise AssertionError("this op is only recorded, never run")


def _marker(name: str) -> Op:
    marker = Op(_stands, promote=None, view=False, mutates=(), outputs=("out",), no_grad_outputs=())
    marker.name = name
    marker.vjp(x=lambda g: g)
    return marker


JOIN = _marker("vmap")
FRESH = _marker("transform")


# Physical tensors


def aligned(value: Any, ndim: int) -> Any:
    """Return the physical tensor such that it broadcasts with those of samples of ``ndim`` dimensions."""
    if value.__class__ is not BatchedArray:
        return value
    tensor, missing = value.tensor, ndim - len(value.shape)
    if not value.batched or missing <= 0:
        return tensor
    return tensor.reshape((tensor._array.shape[0], *(1,) * missing, *value.shape))


def physical(value: Any, size: int) -> Any:
    """Return the physical tensor with the batch in front, repeated there when all samples have the same."""
    if value.__class__ is not BatchedArray:
        return value
    return value.tensor if value.batched else value.tensor.unsqueeze(0).expand((size, *value.shape))


# Kernels


class _Kernels(Mapping):
    """A kernel for every op, found when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return Batching(OPS[name])

    def __iter__(self) -> Any:
        return iter(OPS)

    def __len__(self) -> int:
        return len(OPS)


class Batching:
    """Runs an op on batched arrays: by a rule that does all samples at once, or else sample by sample."""

    complete = True

    def __init__(self, op: Op) -> None:
        from dovetail.func.rules import rule_of

        self.op = op
        self.rule = rule_of(op)

    def run(self, *arrays: Any, **options: Any) -> Any:
        op = self.op
        size = next((a.tensor._array.shape[0] for a in arrays if a.__class__ is BatchedArray and a.batched), None)
        if op.mutates:
            return self._mutated(size, arrays, options)
        results: Any = NotImplemented
        if size is None:
            results = op.call(*[a.tensor if a.__class__ is BatchedArray else a for a in arrays], **options)
        else:
            if self.rule is not None:
                results = self.rule(op, size, arrays, options)
            if results is NotImplemented:
                results = by_sample(op, size, arrays, options)
        if op.outputs == ("out",):
            return BatchedArray(results, size is not None)
        return tuple([BatchedArray(result, size is not None) for result in results])

    def _mutated(self, size: int | None, arrays: tuple, options: dict[str, Any]) -> Any:
        """Run an op that writes to its inputs on copies of them; the dispatcher gives the tensors what comes of it."""
        written = [self.op.inputs.index(name) for name in self.op.mutates]
        copies = [physical(value, 1 if size is None else size) for value in arrays]
        for place in written:
            if copies[place] is not None:
                copies[place] = copies[place].clone()
        for sample in range(1 if size is None else size):
            self.op.call(*[None if value is None else value[sample] for value in copies], **options)
        if size is None:
            copies = [None if value is None else value[0] for value in copies]
        results = tuple([None if copies[p] is None else BatchedArray(copies[p], size is not None) for p in written])
        return results[0] if len(written) == 1 else results


def by_sample(op: Op, size: int, arrays: tuple, options: dict[str, Any]) -> Any:
    """Run an op on one sample after the other and stack the results."""
    if not size:
        raise VmapError(f"vmap: {op.name} has no rule for batches, and an empty batch has no sample to run it on")
    found = []
    for sample in range(size):
        inputs = [
            (value.tensor[sample] if value.batched else value.tensor) if value.__class__ is BatchedArray else value
            for value in arrays
        ]
        found.append(op.call(*inputs, **options))
    stack = OPS["stack"].call
    if op.outputs == ("out",):
        return stack(*found)
    return tuple([stack(*parts) for parts in zip(*found, strict=True)])

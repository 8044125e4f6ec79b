"""Collating: a list of samples becomes one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import dovetail
from dovetail.data.allocation import empty, host_array
from dovetail.errors import ShapeError


def default_collate(batch: Sequence[Any]) -> Any:
    """Join samples along a new first dimension, keeping the structure around them.

    Args:
        batch: samples of one structure. Tensors and arrays of shape ``S`` become a tensor of shape ``(N, *S)``;
            numbers become a tensor of shape ``(N,)`` (floats as float64); strings stay a list; tuples, named tuples,
            lists and dicts are joined part by part (a tuple comes back as a list, as in PyTorch).

    Raises:
        ShapeError: samples have different shapes or lengths.
        TypeError: a sample is of a kind that has no batch.

    Example::

        >>> default_collate([(dovetail.tensor([1.0, 2.0]), 0), (dovetail.tensor([3.0, 4.0]), 1)])
        [tensor([[1., 2.],
                [3., 4.]]), tensor([0, 1])]
    """
    if not batch:
        raise ValueError("default_collate needs at least one sample, got an empty batch")
    first = batch[0]
    if isinstance(first, dovetail.Tensor):
        return _stack(batch)
    if isinstance(first, np.ndarray | np.generic):
        return _collate_arrays(batch)
    if isinstance(first, float):
        return dovetail.tensor(list(batch), dtype=dovetail.float64)
    if isinstance(first, int):
        return dovetail.tensor(list(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _collate_mappings(batch)
    if isinstance(first, Sequence):
        return _collate_sequences(batch)
    raise TypeError(
        f"default_collate joins tensors, arrays, numbers, strings, tuples, lists and dicts, got {_kind(first)}; "
        "return one of these from the dataset, or give the DataLoader a collate_fn"
    )


def default_convert(sample: Any) -> Any:
    """Turn the arrays in one sample into tensors and keep everything else: what a loader without batches does.

    Example::

        >>> default_convert((np.array([1, 2]), "a"))
        [tensor([1, 2]), 'a']
    """
    if isinstance(sample, np.ndarray | np.generic) and sample.dtype.kind not in "SUO":
        return dovetail.as_tensor(sample)
    if isinstance(sample, Mapping):
        return _rebuilt(sample, {key: default_convert(value) for key, value in sample.items()})
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(default_convert(part) for part in sample))
    if isinstance(sample, tuple | list):
        return [default_convert(part) for part in sample]
    return sample


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _stack(batch: Sequence[Any]) -> Any:
    kind, device = dovetail.Tensor, batch[0]._device
    # written out, as it runs for each sample of small ones
    arrays = [s._array for s in batch if type(s) is kind and s._node is None and s._device is device]
    if len(arrays) < len(batch) or host_array(batch[0]) is None:
        _check_shapes(batch)
        return dovetail.stack(list(batch))
    return _stack_arrays(arrays)


def _stack_arrays(arrays: Sequence[Any]) -> Any:
    shape, dtype = arrays[0].shape, arrays[0].dtype
    out = empty((len(arrays), *shape), dtype if dtype.isnative else dtype.newbyteorder("="))
    for position, array in enumerate(arrays):
        if array.shape != shape or array.dtype != dtype:
            _check_shapes(arrays)
            return dovetail.stack([dovetail.as_tensor(array) for array in arrays])
        out[position] = array
    return dovetail.from_numpy(out)


def _check_shapes(batch: Sequence[Any]) -> None:
    shapes = {tuple(sample.shape): None for sample in batch}  # a dict keeps the order in which they came
    if len(shapes) > 1:
        raise ShapeError(
            f"samples of one batch need one shape, got {', '.join(map(str, shapes))}; bring them to one size in the "
            "dataset (crop, resize, pad), or give the DataLoader a collate_fn that pads"
        )


def _collate_arrays(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if first.dtype.kind in "SUO":
        raise TypeError(
            f"default_collate takes arrays of numbers, got one of dtype {first.dtype}; turn it into numbers in the "
            "dataset, or give the DataLoader a collate_fn"
        )
    return _stack_arrays(batch)


def _collate_mappings(batch: Sequence[Any]) -> Any:
    first = batch[0]
    for sample in batch:
        if sample.keys() != first.keys():
            raise ShapeError(f"samples of one batch need the same keys, got {list(first)} and {list(sample)}")
    joined = {key: default_collate([sample[key] for sample in batch]) for key in first}
    return _rebuilt(first, joined)


def _collate_sequences(batch: Sequence[Any]) -> Any:
    first = batch[0]
    lengths = {len(sample): None for sample in batch}
    if len(lengths) > 1:
        raise ShapeError(
            f"samples of one batch need the same length, got {_kind(first)}s of lengths {', '.join(map(str, lengths))};"
            " bring them to one length in the dataset, or give the DataLoader a collate_fn that pads"
        )
    joined = [default_collate(parts) for parts in zip(*batch, strict=True)]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*joined)
    return joined if isinstance(first, tuple | list) else _rebuilt(first, joined)


def _rebuilt(first: Any, joined: Any) -> Any:
    if type(first) is type(joined):
        return joined
    try:
        return type(first)(joined)
    except TypeError:  # a class of its own whose constructor takes something else: plain dict or list, as in PyTorch
        return joined

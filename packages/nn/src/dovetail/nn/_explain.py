"""What to say when a layer is given something it cannot take.

Layers check nothing before they run, so that a right call costs nothing: these look at the facts after an op raised,
and return the error that says them, or None where they find nothing wrong.
"""

from __future__ import annotations

from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.errors import DeviceError, DTypeError, ShapeError
from dovetail.ops.reduce import anywhere


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _explain_kind(layer: str, input: Any, weight: Tensor) -> Exception | None:
    """Say what is wrong about the input before its shape matters."""
    if not isinstance(input, Tensor):
        return TypeError(f"{layer} takes a Tensor; got {type(input).__name__}; make one with dovetail.tensor(...)")
    if input.device != weight.device:
        return DeviceError(
            f"{layer} has its weight on {weight.device} and got an input on {input.device}; "
            f"move the input with .to({str(weight.device)!r}), or the layer with .to({str(input.device)!r})"
        )
    return None


def _explain_dtype(layer: str, input: Tensor, weight: Tensor) -> Exception | None:
    if input.dtype == weight.dtype:
        return None
    other = f", or the layer with .to({input.dtype})" if input.is_floating_point() else ""
    return DTypeError(
        f"{layer} has a weight of dtype {weight.dtype} and got an input of dtype {input.dtype}; they must agree: "
        f"convert the input with .to({weight.dtype}){other}"
    )


def explain_linear(input: Any, weight: Tensor, bias: Tensor | None) -> Exception | None:
    """Say why ``linear`` cannot take these."""
    problem = _explain_kind("Linear", input, weight)
    if problem:
        return problem
    if weight.ndim not in (1, 2):
        return ShapeError(f"linear takes a weight of shape (out_features, in_features); got {_shape(weight)}")
    features = weight.shape[-1]
    if input.ndim == 0 or input.shape[-1] != features:
        got = input.shape[-1] if input.ndim else "missing"
        rest = input.numel() // input.shape[0] if input.ndim > 1 and input.shape[0] else 0
        hint = (
            "put nn.Flatten() before the layer"
            if rest == features
            else f"reshape the input, or build the layer with in_features={got}"
        )
        return ShapeError(
            f"Linear with in_features={features} takes an input of shape (..., {features}); got {_shape(input)}, whose "
            f"last dimension is {got}; {hint}"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        return ShapeError(
            f"linear: a weight of shape {_shape(weight)} needs a bias of shape {tuple(weight.shape[:-1])}; "
            f"got {_shape(bias)}"
        )
    return _explain_dtype("Linear", input, weight)


def explain_conv2d(
    input: Any,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    dilation: tuple[int, int],
    padding: tuple[int, int],
) -> Exception | None:
    """Say why ``conv2d`` cannot take these."""
    problem = _explain_kind("Conv2d", input, weight)
    if problem:
        return problem
    if weight.ndim != 4:
        return ShapeError(f"conv2d takes a weight of shape (out, in / groups, height, width); got {_shape(weight)}")
    problem = _explain_channels(input, weight.shape[1] * groups)
    if problem:
        return problem
    if groups < 1 or weight.shape[0] % groups:
        return ShapeError(f"conv2d: groups={groups} must divide the {weight.shape[0]} output channels")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        return ShapeError(f"conv2d: {weight.shape[0]} output channels need a bias of that length; got {_shape(bias)}")
    for size, kernel, step, border in zip(input.shape[-2:], weight.shape[2:], dilation, padding, strict=True):
        if size + 2 * border < step * (kernel - 1) + 1:
            return ShapeError(
                f"Conv2d: the kernel covers {step * (kernel - 1) + 1} and the input of shape {_shape(input)}, with "
                f"padding {border}, only {size + 2 * border}; use a smaller kernel, more padding or a larger input"
            )
    return _explain_dtype("Conv2d", input, weight)


def _explain_channels(input: Tensor, channels: int) -> Exception | None:
    if input.ndim not in (3, 4):
        hint = "; add the missing dimensions with .reshape(-1, 1, height, width)" if channels == 1 else ""
        return ShapeError(
            f"Conv2d takes an input of shape (N, {channels}, H, W) or ({channels}, H, W); got {_shape(input)}{hint}"
        )
    if input.shape[-3] != channels:
        order = "(0, 3, 1, 2)" if input.ndim == 4 else "(2, 0, 1)"
        hint = (
            f"channels stand before height and width: use .permute{order}"
            if input.shape[-1] == channels
            else f"give it that many, or build the layer with in_channels={input.shape[-3]}"
        )
        return ShapeError(
            f"Conv2d with in_channels={channels} takes an input of shape (N, {channels}, H, W); got {_shape(input)}, "
            f"which has {input.shape[-3]} channels; {hint}"
        )
    return None


def explain_embedding(input: Any, weight: Tensor) -> Exception | None:
    """Say why ``embedding`` cannot take these."""
    problem = _explain_kind("Embedding", input, weight)
    if problem:
        return problem
    if not _is_integer(input):
        return DTypeError(f"Embedding takes indices of an integer dtype; got {input.dtype}; convert with .long()")
    rows = weight.shape[0]
    wrong = (input < 0) | (input >= rows)
    if not anywhere(wrong):
        return None
    return IndexError(
        f"Embedding: index {_worst(input, wrong)} is out of range; a table of {rows} embeddings has "
        f"indices 0 to {rows - 1}; check the indices or num_embeddings"
    )


def explain_labels(
    name: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> Exception | None:
    """Say why a loss cannot take these class scores and indices."""
    if not _is_integer(target):
        return DTypeError(f"{name}: class indices are integers; got {target.dtype}; convert with .long()")
    if input.ndim == 0:
        return ShapeError(f"{name} takes scores of shape (N, C, ...) or (C,); got a 0-dimensional input")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    expected = tuple(size for index, size in enumerate(input.shape) if index != dim)
    if tuple(target.shape) != expected:
        hint = "; remove the last dimension with .squeeze(1)" if tuple(target.shape) == (*expected, 1) else ""
        return ShapeError(
            f"{name}: scores of shape {_shape(input)} need class indices of shape {expected}; "
            f"got {_shape(target)}{hint}"
        )
    if weight is not None and tuple(weight.shape) != (classes,):
        return ShapeError(
            f"{name}: weight has one factor for each of the {classes} classes; got shape {_shape(weight)}"
        )
    wrong = (target != ignore_index) & ((target < 0) | (target >= classes))
    if not anywhere(wrong):
        return None
    return IndexError(
        f"{name}: label {_worst(target, wrong)} is out of range; with {classes} classes (scores of shape "
        f"{_shape(input)}) labels are 0 to {classes - 1}, or ignore_index={ignore_index}; "
        "check the labels or the last layer's size"
    )


def _worst(indices: Tensor, wrong: Tensor) -> int:
    """Return the lowest of the wrong indices if it is negative, otherwise the highest."""
    found = dovetail.where(wrong, indices, 0)
    low, high = found._device.backend.bounds(found._array)
    return low if low < 0 else high


def _is_integer(tensor: Tensor) -> bool:
    dtype = tensor.dtype
    return not (dtype.is_floating_point or dtype.is_complex or dtype is dovetail.bool)

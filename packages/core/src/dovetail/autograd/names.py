"""The names that results show for how they were computed, ``grad_fn=<AddmmBackward0>``: PyTorch's, where it has one."""

from __future__ import annotations

from typing import Any

from dovetail.autograd.graph import FREED

#: Ops that PyTorch has under another name.
RENAMED = {
    "avg_pool2d": "AvgPool2DBackward0", "batch_norm": "NativeBatchNormBackward0", "cast": "ToCopyBackward0",
    "clamp": "ClampBackward1", "conv1d": "ConvolutionBackward0", "conv2d": "ConvolutionBackward0",
    "conv3d": "ConvolutionBackward0", "cross_entropy": "NllLossBackward0", "layer_norm": "NativeLayerNormBackward0",
    "log1p": "Log1PBackward0", "masked_scale": "MulBackward0", "max_pool2d": "MaxPool2DWithIndicesBackward0",
    "outer": "MulBackward0", "overwritten": "CopySlices", "put": "IndexPutBackward0", "reshape": "ViewBackward0",
    "rsub": "RsubBackward1", "square": "PowBackward0", "take": "IndexBackward0",
}  # fmt: skip


def grad_name(node: Any) -> str:
    """Return the name of a node of the graph; where PyTorch tells apart how an op was called, by what the node keeps.

    Example::

        >>> import dovetail
        >>> x = dovetail.ones(2, requires_grad=True)
        >>> x.sum(), 1 - x
        (tensor(2., grad_fn=<SumBackward0>), tensor([0., 0.], grad_fn=<RsubBackward1>))
    """
    name = node.op.name.lstrip("_")
    told = _TOLD.get(name)
    return (told(node) if told else None) or RENAMED.get(name) or node.op.grad_name


def _kept(node: Any, name: str) -> Any:
    """Return an option that the node keeps for its rule, or None."""
    kept, saved = node.op.kept, node.saved
    return saved[kept.index(name)] if saved and saved is not FREED and name in kept else None


def _is_number(node: Any, name: str) -> bool:
    """Return whether an input that the node keeps is a number."""
    return isinstance(_kept(node, name), (int, float))


def _reduced(node: Any) -> str | None:
    """Tell a reduction over some dimensions from one over all."""
    return None if _kept(node, "dim") is None else node.op.grad_name[:-1] + "1"


def _power(node: Any) -> str:
    return "PowBackward2" if _is_number(node, "x") else "PowBackward0" if _is_number(node, "y") else "PowBackward1"


def _product(node: Any) -> str | None:
    """Tell products of vectors and matrices apart; those of batches end in a view in PyTorch."""
    x, y, out = _kept(node, "x"), _kept(node, "y"), len(node.shape)
    vector = (x is not None and x.ndim == 1, y is not None and y.ndim == 1)
    if not out:
        return "DotBackward0"
    if out == 1:
        return "SqueezeBackward4" if vector[0] or (y is not None and not vector[1]) else "MvBackward0"
    return "MmBackward0" if out == 2 and not any(vector) else "UnsafeViewBackward0"


def _linear(node: Any) -> str | None:
    ndim, has_bias = len(node.shape), node.edges[2] is not None
    if ndim == 2:
        return "AddmmBackward0" if has_bias else "MmBackward0"
    return "ViewBackward0" if has_bias else "SqueezeBackward4" if ndim == 1 else "UnsafeViewBackward0"


def _indexed(node: Any) -> str:
    """Name the last step of an index, as PyTorch takes its parts one by one."""
    index = _kept(node, "index")
    parts = index if isinstance(index, (tuple, list)) else (index,)
    for part in reversed(parts):
        if part is None:
            return "UnsqueezeBackward0"
        if isinstance(part, int):
            return "SelectBackward0"
        if isinstance(part, slice) and part != slice(None):
            return "SliceBackward0"
    return "SliceBackward0" if parts == (slice(None),) else "AliasBackward0"


_TOLD = {
    "linear": _linear,
    "matmul": _product,
    "mean": _reduced,
    "pow": _power,
    "prod": _reduced,
    "remainder": lambda node: None if node.edges[1] is None else "RemainderBackward1",
    "slice_view": _indexed,
    "sum": _reduced,
}

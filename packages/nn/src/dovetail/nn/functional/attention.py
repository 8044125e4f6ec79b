"""Attention."""

from __future__ import annotations

import math

import dovetail
from dovetail import Tensor, ops
from dovetail.errors import ShapeError
from dovetail.nn.functional.dropout import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return each query's mean of the values, weighted by the softmax of its products with the keys.

    Args:
        query: shape (..., L, E).
        key: shape (..., S, E).
        value: shape (..., S, V).
        attn_mask: broadcasts to (..., L, S): bool, True where a query may look; or floats added to the products.
        dropout_p: the probability with which a weight is dropped.
        is_causal: whether query i sees only the keys up to i; not together with ``attn_mask``.
        scale: the products' factor; None means ``1 / sqrt(E)``.
        enable_gqa: whether several query heads (dimension -3) share one key and value head.

    Returns:
        Shape (..., L, V); a query that may look nowhere gets zeros.

    Source: Vaswani et al., "Attention is all you need" (2017).

    Raises:
        ShapeError: query and key differ in E, or key and value in S.
        ValueError: both ``attn_mask`` and ``is_causal`` are given.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> x = dovetail.ones(1, 3, 4)
        >>> tuple(F.scaled_dot_product_attention(x, x, x).shape)
        (1, 3, 4)
    """
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = _repeat_heads(key, repeats), _repeat_heads(value, repeats)
    # half of the scale on each side keeps the products small, which matters in half precision
    root = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else abs(scale))
    sign = -1.0 if scale is not None and scale < 0 else 1.0
    scores = (query * (root * sign)) @ (key * root).transpose(-2, -1)
    if is_causal:
        shape = (query.shape[-2], key.shape[-2])
        attn_mask = dovetail.ones(*shape, dtype=dovetail.bool, device=query.device).tril()
    if attn_mask is None:
        weights = ops.softmax(scores, -1)
    elif attn_mask.dtype == dovetail.bool:
        # a row without any key would be 0/0: it is left unmasked here and its weights set to 0 after
        blind = ~attn_mask.any(-1, keepdim=True)
        scores = scores.masked_fill(~(attn_mask | blind), -math.inf)
        weights = ops.softmax(scores, -1).masked_fill(blind, 0.0)
    else:
        weights = ops.softmax(scores + attn_mask, -1)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return weights @ value


def _check(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool) -> None:
    shapes = f"got query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"attention takes tensors of 2 or more dimensions, (..., length, features); {shapes}")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"attention: query and key must have the same last dimension; {shapes}")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"attention: key and value must have the same length, dimension -2; {shapes}")
    if attn_mask is not None and is_causal:
        raise ValueError("attention takes attn_mask or is_causal=True, not both; combine the masks yourself")


def _repeat_heads(tensor: Tensor, repeats: int) -> Tensor:
    """Repeat each head of (..., H, S, E) ``repeats`` times, neighbours together."""
    *batch, heads, length, size = tensor.shape
    wide = tensor.unsqueeze(-3).expand(*batch, heads, repeats, length, size)
    return wide.reshape(*batch, heads * repeats, length, size)

"""The matrix product with a bias, and the look-up in a table."""

from __future__ import annotations

from dovetail import Tensor, ops
from dovetail.nn._explain import explain_embedding, explain_linear


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Args:
        input: shape (..., in_features).
        weight: shape (out_features, in_features), of the same dtype.
        bias: shape (out_features,).

    Returns:
        Shape (..., out_features).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.linear(dovetail.ones(1, 2), dovetail.tensor([[1.0, 2.0]]), dovetail.tensor([0.5]))
        tensor([[3.5000]])
    """
    try:
        return ops.linear(input, weight, bias)
    except Exception as error:
        raise (explain_linear(input, weight, bias) or error) from None


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of a table at some indices.

    Args:
        input: indices, integers, any shape.
        weight: the table, shape (num_embeddings, embedding_dim).
        padding_idx: an index whose row gets no gradient.

    Returns:
        Shape (*, embedding_dim).

    Raises:
        DTypeError: the indices are not integers.
        IndexError: an index is outside the table.

    Example::

        >>> import dovetail
        >>> from dovetail.nn import functional as F
        >>> F.embedding(dovetail.tensor([1, 0]), dovetail.tensor([[1.0], [2.0]]))
        tensor([[2.],
                [1.]])
    """
    try:
        return ops.embedding(weight, input, padding_idx=padding_idx)
    except Exception as error:
        raise (explain_embedding(input, weight) or error) from None

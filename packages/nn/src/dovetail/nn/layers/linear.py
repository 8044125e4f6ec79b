"""Layers that are one matrix product or one look-up, and changes of shape."""

from __future__ import annotations

import math
from typing import Any

import dovetail
from dovetail import Tensor
from dovetail.errors import ShapeError
from dovetail.nn import functional as F
from dovetail.nn import init
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter


class Linear(Module):
    """``x @ weight.T + bias``.

    Args:
        in_features: the input's last dimension.
        out_features: the output's last dimension.
        bias: whether a bias is added.
        device: where the parameters live.
        dtype: the parameters' dtype.

    Attributes:
        weight: shape (out_features, in_features), uniform in ±1/sqrt(in_features) at first.
        bias: shape (out_features,), likewise; None without one.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.Linear(20, 30)(dovetail.ones(128, 20)).shape)
        (128, 30)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        """Make the parameters."""
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(dovetail.empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(dovetail.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return (..., out_features) for an input (..., in_features).

        Raises:
            ShapeError: the input's last dimension is not ``in_features``.
            DTypeError: the input's dtype is not the weight's.
        """
        own = self._parameters  # asking for an attribute that is no attribute costs as much as a small product
        if "weight" in own and "bias" in own:
            return F.linear(input, own["weight"], own["bias"])  # type: ignore[arg-type]
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: how many vectors there are.
        embedding_dim: how long each is.
        padding_idx: an index whose vector starts at 0 and is not trained.
        device: where the table lives.
        dtype: the table's dtype.

    Attributes:
        weight: shape (num_embeddings, embedding_dim), normally distributed at first.

    Raises:
        ValueError: ``padding_idx`` is outside the table.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.Embedding(10, 3)(dovetail.tensor([[1, 2], [4, 9]])).shape)
        (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        """Make the table."""
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"padding_idx={padding_idx} is outside the table of {num_embeddings} embeddings; "
                f"allowed are {-num_embeddings} to {num_embeddings - 1}"
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(dovetail.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """Return a layer over a given table, shape (num_embeddings, embedding_dim).

        Args:
            embeddings: the table; the layer shares its memory.
            freeze: whether it is left untrained.
            padding_idx: an index whose vector is not trained.

        Raises:
            ShapeError: the table is not 2-dimensional.
        """
        if embeddings.ndim != 2:
            raise ShapeError(
                f"from_pretrained takes a table (num_embeddings, embedding_dim); got shape {tuple(embeddings.shape)}"
            )
        rows, columns = embeddings.shape
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.num_embeddings, layer.embedding_dim, layer.padding_idx = rows, columns, padding_idx
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draw a new table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with dovetail.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        """Return (*, embedding_dim) for indices (*).

        Raises:
            DTypeError: the indices are not integers.
            IndexError: an index is outside the table.
        """
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Flatten(Module):
    """The dimensions from ``start_dim`` to ``end_dim`` made one; by default all but the batch.

    Args:
        start_dim: the first of them.
        end_dim: the last of them.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.Flatten()(dovetail.ones(32, 1, 5, 5)).shape)
        (32, 25)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        """Keep the dimensions."""
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension made several.

    Args:
        dim: the dimension.
        unflattened_size: what it becomes; one size may be -1.

    Raises:
        TypeError: ``unflattened_size`` is not a list or tuple of ints.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> tuple(nn.Unflatten(1, (2, 5, 5))(dovetail.ones(4, 50)).shape)
        (4, 2, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        """Keep the sizes."""
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"unflattened_size is a tuple of ints; got {unflattened_size!r}")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with more dimensions."""
        dim = self.dim % input.ndim
        return input.reshape(*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

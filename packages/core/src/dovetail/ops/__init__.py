"""Every op, in families; ``dovetail.ops.<name>`` is the op itself, without PyTorch's overloads."""

from typing import TYPE_CHECKING, Any

from dovetail.op import OPS
from dovetail.ops import (
    activation,
    compare,
    conv,
    elementwise,
    index,
    linalg,
    loss,
    norm,
    optimizer,
    order,
    pool,
    random,
    reduce,
    shape,
    shift,
)

FAMILIES = (
    activation, compare, conv, elementwise, index, linalg, loss, norm, optimizer, order, pool, random, reduce, shape,
    shift,
)  # fmt: skip

globals().update({name: definition.call for name, definition in OPS.items()})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...

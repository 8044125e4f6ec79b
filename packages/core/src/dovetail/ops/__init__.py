"""Every op, in families; ``dovetail.ops.<name>`` is the op itself, without PyTorch's overloads."""

from typing import TYPE_CHECKING, Any

from dovetail.op import OPS
from dovetail.ops import (
    activation,
    along,
    compare,
    conv,
    elementwise,
    index,
    integers,
    linalg,
    loss,
    norm,
    optimizer,
    order,
    pool,
    random,
    reduce,
    search,
    shape,
    strided,
)

FAMILIES = (
    activation, along, compare, conv, elementwise, index, integers, linalg, loss, norm, optimizer, order, pool, random, reduce,
    search, shape, strided,
)  # fmt: skip

globals().update({name: definition.call for name, definition in OPS.items()})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...

"""Every op, in families; ``dovetail.ops.<name>`` is the op itself, without PyTorch's overloads."""

from importlib import import_module
from typing import Any

from dovetail.op import OPS, Op
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
    rounding,
    search,
    shape,
    strided,
)

FAMILIES = (
    activation, along, compare, conv, elementwise, index, integers, linalg, loss, norm, optimizer, order, pool, random,
    reduce, rounding, search, shape, strided,
)  # fmt: skip

#: Families that few programs need, imported when one of their ops is first asked for.
LATE_FAMILIES = ("angles", "special", "whole", "running", "parts", "decompositions", "fourier")

globals().update({name: definition.call for name, definition in OPS.items()})


def every() -> dict[str, Op]:
    """Return all ops by name, those of the late families too."""
    for family in LATE_FAMILIES:
        import_module(f"dovetail.ops.{family}")
    return OPS


def __getattr__(name: str) -> Any:
    """Return an op of a late family."""
    if not name.startswith("_"):
        for family in LATE_FAMILIES:
            found = getattr(import_module(f"dovetail.ops.{family}"), name, None)
            if hasattr(found, "definition"):
                globals()[name] = found
                return found
    raise AttributeError(f"there is no op {name!r}", name=name)

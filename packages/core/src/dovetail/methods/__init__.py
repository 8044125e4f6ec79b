"""The methods and operators of a tensor, and the functions of the same names: each leads to an op.

``FUNCTIONS`` become both ``dovetail.name(x, ...)`` and ``x.name(...)``. Importing this attaches the methods to Tensor.
"""

from __future__ import annotations

from dovetail.methods import (
    attach,
    choose,
    convert,
    copying,
    facts,
    gradient,
    index,
    inplace,
    interop,
    late,
    memory,
    more,
    operators,
    order,
    pieces,
    random,
    reduce,
    scaled,
    scatter,
    search,
    shape,
)
from dovetail.methods.registry import FUNCTIONS, check_dim

inplace.attach()  # comes last: each is made of the method without the underscore

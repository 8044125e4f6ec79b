"""How many floating-point operations ops take, and the mode that counts them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from dovetail.modes import places
from dovetail.modes.base import Mode, state

Formula = Callable[..., int]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value._array.shape)


def _matmul(out: Any, x: Any, y: Any, **options: Any) -> int:
    return 2 * math.prod(_shape(out)) * _shape(x)[-1]


def _linear(out: Any, x: Any, weight: Any, bias: Any = None) -> int:
    return 2 * math.prod(_shape(out)) * _shape(weight)[-1]


def _linear_weight(out: Any, grad: Any, x: Any) -> int:
    return 2 * math.prod(_shape(grad)) * _shape(x)[-1]


def _conv(out: Any, x: Any, weight: Any, bias: Any = None, **options: Any) -> int:
    """Each result is a sum over the input channels of its group and over the kernel."""
    return 2 * math.prod(_shape(out)) * math.prod(_shape(weight)[1:])


def _conv_input(out: Any, grad: Any, weight: Any, **options: Any) -> int:
    return 2 * math.prod(_shape(grad)) * math.prod(_shape(weight)[1:])


def _conv_weight(out: Any, grad: Any, x: Any, **options: Any) -> int:
    return 2 * math.prod(_shape(grad)) * math.prod(_shape(out)[1:])


def _attention(out: Any, query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    rows, columns = math.prod(_shape(query)[:-1]), _shape(key)[-2]
    return 2 * rows * columns * (_shape(query)[-1] + _shape(value)[-1])


#: The ops that multiply and add, as ``formula(out, *inputs, **options)``; each multiplication and addition counts 1.
FORMULAS: dict[str, Formula] = {
    "matmul": _matmul,
    "linear": _linear,
    "linear_weight": _linear_weight,
    "conv1d": _conv, "conv1d_input": _conv_input, "conv1d_weight": _conv_weight,
    "conv2d": _conv, "conv2d_input": _conv_input, "conv2d_weight": _conv_weight,
    "conv3d": _conv, "conv3d_input": _conv_input, "conv3d_weight": _conv_weight,
    "scaled_dot_product_attention": _attention,
}  # fmt: skip

#: Ops that move or choose elements, or make none: they count nothing in a profile.
_MOVING = (
    "arranged cast cat clone diagonal_backward embedding expand fill flip gather index_select masked_fill permute put "
    "repeat reshape roll scatter slice_view squeeze stack take transpose tril triu unslice unsqueeze untake where"
)
MOVING = frozenset(_MOVING.split())


def products(definition: Any, out: Any, args: tuple, kwargs: dict[str, Any]) -> int:
    """Return the operations of an op that multiplies and adds, and 0 for any other."""
    formula = FORMULAS.get(definition.name)
    if formula is None:
        return 0
    return formula(out[0] if isinstance(out, tuple) else out, *args, **kwargs)


def operations(definition: Any, out: Any, args: tuple, kwargs: dict[str, Any]) -> int:
    """Return the operations of any op: by its formula, otherwise one for each element that goes in or comes out."""
    if definition.name in FORMULAS:
        return products(definition, out, args, kwargs)
    if definition.view or definition.name in MOVING:
        return 0
    return max((math.prod(_shape(value)) for value in tensors_in((*args, out))), default=0)


def tensors_in(values: Any) -> list[Any]:
    """Return the tensors among values and in lists of them."""
    found = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += tensors_in(value)
        elif hasattr(value, "_array"):
            found.append(value)
    return found


class FlopCounter(Mode):
    """Count the operations of matrix products, convolutions and attention, by module; as PyTorch's FlopCounterMode.

    A multiplication and an addition count 1 each; a product of (n, k) and (k, m) takes ``2 * n * k * m``. A backward
    pass counts for the modules whose forward it belongs to.

    Args:
        display: print the table when the block ends.
        depth: how deep modules are shown in the table.

    Example::

        >>> import dovetail
        >>> with dovetail.modes.FlopCounter() as counter:
        ...     _ = dovetail.ones(2, 3) @ dovetail.ones(3, 4)
        >>> counter.get_total_flops()
        48
    """

    def __init__(self, display: bool = False, depth: int = 2) -> None:
        self.display = display
        self.depth = depth
        self.counts: dict[str, dict[str, int]] = {}

    def __enter__(self) -> FlopCounter:
        self.counts = defaultdict(lambda: defaultdict(int))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if self.display and not any(error):
            print(self.get_table())

    def __call__(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op and count it."""
        out = op(*args, **kwargs)
        count = products(op.definition, out, args, kwargs)
        if not count:
            return out
        places.note(op, out, ())
        names = places.names_of(state.modules if state.node is None else places.origin_of(state.node).modules)
        for depth in range(len(names) + 1):
            self.counts[".".join(names[:depth]) or "Global"][op.definition.name] += count
        return out

    def get_total_flops(self) -> int:
        """Return the count of all ops."""
        return sum(self.counts["Global"].values()) if self.counts else 0

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """Return the counts by module path (``"Global"`` for all), then by op."""
        return {name: dict(counts) for name, counts in self.counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """Return the counts as a table, with modules down to ``depth``."""
        from dovetail.modes.tables import aligned, number

        total = max(self.get_total_flops(), 1)
        depth = self.depth if depth is None else depth
        rows = [("Module", "FLOP", "% Total")]
        for name, counts in sorted(self.counts.items(), key=lambda entry: (entry[0] != "Global", entry[0])):
            level = 0 if name == "Global" else name.count(".") + 1
            if level > depth:
                continue
            flops = sum(counts.values())
            rows.append(("  " * level + name, number(flops), f"{100 * flops / total:.2f}%"))
            rows += [
                ("  " * level + f" - {op}", number(count), f"{100 * count / total:.2f}%")
                for op, count in counts.items()
            ]
        return aligned(rows)

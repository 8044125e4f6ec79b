"""Functions of functions: ``vmap`` for batches, ``grad`` and its relatives for derivatives; they nest to any depth."""

from __future__ import annotations

from dovetail.func.gradients import grad, grad_and_value, jvp, linearize, value_and_grad, vjp
from dovetail.func.jacobians import hessian, jacfwd, jacrev
from dovetail.func.mapping import vmap
from dovetail.func.modules import functional_call, stack_module_state

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

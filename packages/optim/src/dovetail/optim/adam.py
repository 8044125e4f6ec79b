"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail
from dovetail import ops
from dovetail.dispatch import update
from dovetail.optim.optimizer import Optimizer, check_range


class Adam(Optimizer):
    """Steps scaled, for each number, by running averages of its gradient and of the gradient's square.

    Args:
        params: tensors, pairs of name and tensor, or groups of them with settings of their own.
        lr: the learning rate.
        betas: how much of the two averages a step keeps.
        eps: added to the divisor.
        weight_decay: how much of the parameter is added to its gradient.
        amsgrad: whether to divide by the largest average of the square so far.
        maximize: whether to go up instead of down.
        decoupled_weight_decay: whether weight decay shrinks the parameter itself, as in `AdamW`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization" (2015); for ``amsgrad`` Reddi et al., "On the
    convergence of Adam and beyond" (2018).

    Raises:
        ValueError: a setting is out of range, or ``params`` is empty.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> weight = dovetail.tensor([1.0], requires_grad=True)
        >>> optimizer = optim.Adam([weight], lr=0.1)
        >>> (weight * 2).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        """Check and keep the settings."""
        kind = type(self).__name__
        check_range(f"{kind}'s lr", lr, 0)
        check_range(f"{kind}'s eps", eps, 0)
        check_range(f"{kind}'s betas[0]", betas[0], 0, 1)
        check_range(f"{kind}'s betas[1]", betas[1], 0, 1)
        check_range(f"{kind}'s weight_decay", weight_decay, 0)
        settings = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        decoupled = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, settings | decoupled)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient once.

        Args:
            closure: computes the loss and its gradients again; what it returns is returned.
        """
        loss = self._run(closure)
        with dovetail.no_grad():
            for group in self.param_groups:
                options = {name: group[name] for name in ("lr", "eps", "weight_decay", "maximize")}
                options["beta1"], options["beta2"] = group["betas"]
                options["decoupled"] = group["decoupled_weight_decay"]
                rows: dict[int, list[tuple]] = {}  # by the number of the step
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is not None:
                        step, *averages = self._remembered(parameter, group["amsgrad"])
                        rows.setdefault(step, []).append((parameter, gradient, *averages))
                for step, some in rows.items():
                    update(ops.adam_step.definition, some, {**options, "step": step})
        return loss

    def _remembered(self, parameter: dovetail.Tensor, amsgrad: bool) -> tuple:
        """Return the number of this step and the averages of the gradient, of its square, and the largest of these."""
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = dovetail.zeros_like(parameter)
            state["exp_avg_sq"] = dovetail.zeros_like(parameter)
            if amsgrad:
                state["max_exp_avg_sq"] = dovetail.zeros_like(parameter)
        state["step"] += 1
        return state["step"], state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"] if amsgrad else None


class AdamW(Adam):
    """Adam with weight decay that shrinks the parameter itself rather than joining its gradient.

    Args:
        params: tensors, pairs of name and tensor, or groups of them with settings of their own.
        lr: the learning rate.
        betas: how much of the two averages a step keeps.
        eps: added to the divisor.
        weight_decay: how much of the parameter, times ``lr``, is taken away each step.
        amsgrad: whether to divide by the largest average of the square so far.
        maximize: whether to go up instead of down.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).

    Raises:
        ValueError: a setting is out of range, or ``params`` is empty.

    Example::

        >>> import dovetail
        >>> from dovetail import optim
        >>> optim.AdamW([dovetail.zeros(1, requires_grad=True)]).param_groups[0]["weight_decay"]
        0.01
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        """Check and keep the settings."""
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)

"""Optimizer updates: each one op that writes to the parameter and to what the optimizer remembers of it."""

from __future__ import annotations

import math

from dovetail.op import Sample, op


@op(promote=None, mutates=("parameter", "momentum_buffer"))
def sgd_step(
    xp, parameter, gradient, momentum_buffer=None, *, lr, momentum=0.0, dampening=0.0, weight_decay=0.0,
    nesterov=False, maximize=False, first=False,
):  # fmt: skip
    """Do one step of stochastic gradient descent; Sutskever et al., 2013, for the momentum.

    Args:
        parameter, gradient: of one shape; the parameter is written to.
        momentum_buffer: written to, or None without momentum; ``first`` when it holds nothing yet.
        lr, momentum, dampening, weight_decay, nesterov, maximize: as for ``torch.optim.SGD``.
    """
    if maximize:
        gradient = -gradient
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    if momentum_buffer is not None:
        momentum_buffer = gradient if first else momentum * momentum_buffer + (1 - dampening) * gradient
        gradient = gradient + momentum * momentum_buffer if nesterov else momentum_buffer
    return parameter - lr * gradient, momentum_buffer


sgd_step.no_vjp("parameter", "gradient", "momentum_buffer")
sgd_step.sample(
    lambda make: [
        Sample(make(3, 4), make(3, 4), None, lr=0.1),
        Sample(make(3, 4), make(3, 4), make(3, 4), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        Sample(make(3), make(3), make(3), lr=0.1, momentum=0.9, first=True, maximize=True),
    ]
)


@op(promote=None, mutates=("parameter", "average", "square_average", "largest"))
def adam_step(
    xp, parameter, gradient, average, square_average, largest=None, *, step, lr, beta1=0.9, beta2=0.999, eps=1e-8,
    weight_decay=0.0, decoupled=False, maximize=False,
):  # fmt: skip
    """Do one step of Adam (Kingma and Ba, 2015), or of AdamW (Loshchilov and Hutter, 2019) when ``decoupled``.

    Args:
        parameter, gradient: of one shape; the parameter is written to.
        average, square_average: running averages of the gradient and its square; written to.
        largest: the largest ``square_average`` so far, for AMSGrad, or None; written to.
        step: how many steps there were, with this one.
        lr, beta1, beta2, eps, weight_decay, maximize: as for ``torch.optim.Adam``.
    """
    if maximize:
        gradient = -gradient
    if weight_decay and decoupled:
        parameter = parameter * (1 - lr * weight_decay)
    elif weight_decay:
        gradient = gradient + weight_decay * parameter
    average = beta1 * average + (1 - beta1) * gradient
    square_average = beta2 * square_average + (1 - beta2) * (gradient * gradient)
    largest = None if largest is None else xp.maximum(largest, square_average)
    second = square_average if largest is None else largest
    scale = xp.sqrt(second) / math.sqrt(1 - beta2**step) + eps
    return parameter - (lr / (1 - beta1**step)) * average / scale, average, square_average, largest


adam_step.no_vjp("parameter", "gradient", "average", "square_average", "largest")
adam_step.sample(
    lambda make: [
        Sample(make(3, 4), make(3, 4), make(3, 4), make(3, 4, low=0.1, high=1.0), None, step=3, lr=0.1),
        Sample(
            make(3), make(3), make(3), make(3, low=0.1, high=1.0), make(3, low=0.1, high=1.0),
            step=1, lr=0.1, weight_decay=0.1, decoupled=True,
        ),
    ]
)  # fmt: skip

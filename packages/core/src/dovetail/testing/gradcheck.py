"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dovetail.autograd import enable_grad, grad, no_grad
from dovetail.dtypes import complex128, float64
from dovetail.errors import DovetailError
from dovetail.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(DovetailError, RuntimeError):
    """A gradient is not what finite differences give."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Return whether the gradients of ``func(*inputs)`` are those of central finite differences.

    Args:
        func: gives a tensor or a sequence of tensors; it is called twice for each element of the inputs.
        inputs: what to call it with; the tensors that require a gradient are checked, and must be of float64 or
            complex128.
        eps: the step. atol, rtol: how far a gradient may be from the difference.
        raise_exception: raise for a wrong gradient instead of returning False.
        nondet_tol: how far two backward passes may differ.
        check_undefined_grad, check_grad_dtypes: accepted for PyTorch's programs; that nothing need come back for some
            outputs, and that gradients have their inputs' dtypes, is always checked.
        fast_mode: check one random combination of the outputs' elements in one random direction instead of each
            element in turn, and these only where that fails.

    Raises:
        GradcheckError: a gradient is wrong; the text names function, input and element.

    Example::

        >>> import dovetail
        >>> from dovetail.testing import gradcheck
        >>> x = dovetail.tensor([0.5, 2.0], dtype=dovetail.float64, requires_grad=True)
        >>> gradcheck(dovetail.exp, x)
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _Check(func, inputs, eps, atol, rtol, nondet_tol).run(fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Return whether the gradients of the gradients of ``func(*inputs)`` are those of finite differences.

    Args:
        func, inputs: as for ``gradcheck``.
        grad_outputs: the gradients of the outputs to start from; random ones by default.
        eps, atol, rtol, raise_exception, nondet_tol, fast_mode: as for ``gradcheck``.

    Raises:
        GradcheckError: a second gradient is wrong.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = _checked(inputs, func)
    outputs = _differentiable(func(*inputs), func)
    if grad_outputs is None:
        random = np.random.Generator(np.random.PCG64(1))
        grad_outputs = [_tensor_like(_random_like(_numpy(out), random), out).requires_grad_() for out in outputs]
    starts = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)

    def gradients(*values: Any) -> list[Tensor]:
        arguments, given = values[: len(inputs)], values[len(inputs) :]
        wanted = [arguments[position] for position in checked]
        with enable_grad():
            results = _differentiable(func(*arguments), func)
        return [*grad(results, wanted, given, create_graph=True, materialize_grads=True)]

    gradients.__name__ = f"the gradient of {_name(func)}"
    return gradcheck(
        gradients,
        (*inputs, *starts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )


class _Check:
    """One run of ``gradcheck``. Complex numbers count as pairs of real ones, as in PyTorch's convention."""

    def __init__(self, func: Any, inputs: tuple, eps: float, atol: float, rtol: float, nondet_tol: float) -> None:
        self.func, self.inputs, self.eps = func, inputs, eps
        self.atol, self.rtol, self.nondet_tol = atol, rtol, nondet_tol
        self.name = _name(func)
        self.checked = _checked(inputs, func)
        self.random = np.random.Generator(np.random.PCG64(0))

    def run(self, fast: bool) -> None:
        outputs = self.outputs()
        weights = [list(self.weights(_numpy(out), fast)) for out in outputs]
        found: list[list[list[np.ndarray]]] = []
        for output, of_output in zip(outputs, weights, strict=True):
            first, second = ([self.gradients(output, weight) for weight in of_output] for _ in range(2))
            self.expect_same(first, second)
            found.append(first)
        with no_grad():
            for place, position in enumerate(self.checked):
                if fast and self.agrees_in_one_direction(position, weights, [of[0][place] for of in found]):
                    continue
                slopes = self.slopes(position, weights)
                for index, passes in enumerate(found):
                    for number, gradients in enumerate(passes):
                        self.compare(index, position, gradients[place], slopes[index][number])

    def outputs(self) -> list[Tensor]:
        """Return the outputs that have a gradient, and remember which they are."""
        results = _as_list(self.func(*self.inputs))
        outputs = _differentiable(results, self.func)
        self.places = [place for place, out in enumerate(results) if any(out is output for output in outputs)]
        return outputs

    def weights(self, output: np.ndarray, fast: bool) -> Iterator[np.ndarray]:
        """Yield the combinations of an output's elements whose gradients are checked."""
        if fast:
            yield _random_like(output, self.random)
            return
        units = (1.0, 1.0j) if output.dtype.kind == "c" else (1.0,)
        for element in np.ndindex(output.shape):
            for unit in units:
                weight = np.zeros(output.shape, output.dtype)
                weight[element] = unit
                yield weight

    def gradients(self, output: Tensor, weight: np.ndarray) -> list[np.ndarray]:
        wanted = [self.inputs[position] for position in self.checked]
        start = _tensor_like(weight, output)
        found = grad(output, wanted, start, retain_graph=True, allow_unused=True)
        for position, tensor, gradient in zip(self.checked, wanted, found, strict=True):
            if gradient is not None and (gradient.dtype, gradient.shape) != (tensor.dtype, tensor.shape):
                raise GradcheckError(
                    f"gradcheck: {self.name}: the gradient of {self.input_name(position)} is {gradient.dtype} of sizes "
                    f"{tuple(gradient.shape)}, the input {tensor.dtype} of sizes {tuple(tensor.shape)}; they must agree"
                )
        zeros = [np.zeros_like(_numpy(tensor)) for tensor in wanted]
        return [zero if gradient is None else _numpy(gradient) for zero, gradient in zip(zeros, found, strict=True)]

    def agrees_in_one_direction(self, position: int, weights: list[list[np.ndarray]], found: list[np.ndarray]) -> bool:
        """Return whether the gradients are right along one random direction, which takes two calls for all elements."""
        tensor = self.inputs[position]
        array = _numpy(tensor)
        direction = _random_like(array, self.random)
        difference = self.difference(tensor, array, direction)
        for index, gradient in enumerate(found):
            slope = np.sum((np.conj(weights[index][0]) * difference[index]).real) / (2 * self.eps)
            along = np.sum((np.conj(gradient) * direction).real)
            if not abs(along - slope) <= self.atol + self.rtol * abs(slope):
                return False
        return True

    def slopes(self, position: int, weights: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Return how each combination of each output's elements grows with each element of an input."""
        tensor = self.inputs[position]
        array = _numpy(tensor)
        result = [[np.zeros_like(array) for _ in of_output] for of_output in weights]
        for element in np.ndindex(array.shape):
            for unit in (1.0, 1.0j) if array.dtype.kind == "c" else (1.0,):
                direction = np.zeros_like(array)
                direction[element] = unit
                difference = self.difference(tensor, array, direction)
                for index, of_output in enumerate(weights):
                    for number, weight in enumerate(of_output):
                        growth = np.sum((np.conj(weight) * difference[index]).real)
                        result[index][number][element] += unit * growth / (2 * self.eps)
        return result

    def difference(self, tensor: Tensor, array: np.ndarray, direction: np.ndarray) -> list[np.ndarray]:
        """Return what the outputs change by between a step forward and one back, in one of the inputs."""
        original, ends = tensor._array, []
        try:
            for step in (self.eps, -self.eps):
                moved = array + step * direction
                tensor._array = tensor.device.backend.from_numpy(moved, tensor.device.index or 0)
                results = _as_list(self.func(*self.inputs))
                ends.append([_numpy(results[place]) for place in self.places])
        finally:
            tensor._array = original
        return [above - below for above, below in zip(*ends, strict=True)]

    def compare(self, output: int, position: int, found: np.ndarray, expected: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(found - expected) <= self.atol + self.rtol * np.abs(expected))
        if not wrong.any():
            return
        element = tuple(int(place[0]) for place in np.nonzero(np.atleast_1d(wrong)))[: found.ndim]
        raise GradcheckError(
            f"gradcheck: {self.name}: the gradient of output {output} with respect to {self.input_name(position)} is "
            f"{found[element]:.6g} at element {element}, where finite differences give {expected[element]:.6g}; "
            f"{int(wrong.sum())} of {wrong.size} elements are wrong (atol={self.atol}, rtol={self.rtol})\n"
            f"numerical: {_shown(expected)}\nanalytical: {_shown(found)}"
        )

    def expect_same(self, first: list[list[np.ndarray]], second: list[list[np.ndarray]]) -> None:
        for one, other in zip(first, second, strict=True):
            for place, position in enumerate(self.checked):
                difference = float(np.max(np.abs(one[place] - other[place]), initial=0.0))
                if difference > self.nondet_tol:
                    raise GradcheckError(
                        f"gradcheck: {self.name}: two backward passes give gradients of {self.input_name(position)} "
                        f"that differ by {difference:.3g} (nondet_tol={self.nondet_tol}); "
                        "is a rule random, or does it write to an input?"
                    )

    def input_name(self, position: int) -> str:
        definition = getattr(self.func, "definition", None)
        if definition is None or definition.variadic or position >= len(definition.inputs):
            return f"input {position}"
        return f"input {position} ({definition.inputs[position]!r})"


def _shown(array: np.ndarray) -> str:
    return np.array2string(array, precision=6, threshold=20, edgeitems=2, separator=", ").replace("\n", "")


def _name(func: Any) -> str:
    return getattr(func, "__name__", type(func).__name__)


def _checked(inputs: tuple, func: Any) -> list[int]:
    """Return the positions of the inputs that need a gradient."""
    found = [position for position, value in enumerate(inputs) if isinstance(value, Tensor) and value.requires_grad]
    if not found:
        raise ValueError(f"gradcheck: no input of {_name(func)} requires a gradient; call .requires_grad_() on one")
    for position in found:
        if inputs[position].dtype not in (float64, complex128):
            raise ValueError(
                f"gradcheck: input {position} of {_name(func)} is {inputs[position].dtype}; finite differences need "
                "float64 or complex128; convert with .double()"
            )
    return found


def _differentiable(results: Any, func: Any) -> list[Tensor]:
    """Return the results that have a gradient."""
    found = [out for out in _as_list(results) if isinstance(out, Tensor) and out.requires_grad]
    if not found:
        raise GradcheckError(f"gradcheck: no output of {_name(func)} requires a gradient")
    return found


def _as_list(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.device.backend.to_numpy(tensor._array))


def _tensor_like(array: np.ndarray, like: Tensor) -> Tensor:
    return Tensor(like.device.backend.from_numpy(array, like.device.index or 0), like.device)


def _random_like(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    values = random.uniform(0.5, 1.5, array.shape) * random.choice([-1.0, 1.0], array.shape)
    if array.dtype.kind == "c":
        values = values + 1j * random.uniform(0.5, 1.5, array.shape)
    return values.astype(array.dtype)

"""Activation checkpointing: what a function saves for backward is computed again instead of kept.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from dovetail import random
from dovetail.autograd import enable_grad
from dovetail.autograd.graph import LEAF
from dovetail.autograd.saved import Packed, saved_tensors_hooks
from dovetail.errors import GradError
from dovetail.modes import state
from dovetail.tensor import Tensor

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


class CheckpointError(GradError):
    """A function that was computed again did not save what it saved the first time."""


class _Enough(Exception):  # noqa: N818
    """Ends a recomputation: everything that was needed is there."""


def noop_context_fn() -> Contexts:
    """Return two contexts that do nothing, for the first run and the one during backward."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)``; what it saves for backward is not kept but computed again when needed.

    Args:
        function: gives the same each time it is called with the same arguments; tensors that it takes from elsewhere,
            such as parameters, get their gradients too.
        use_reentrant: accepted for PyTorch's programs. There is one way of computing again, which works with ``grad``,
            with keyword arguments, and when no argument requires a gradient.
        context_fn: gives a context for the first run and one for those during backward.
        determinism_check: ``"default"`` compares shapes and dtypes of both runs, ``"none"`` does not.
        debug: has no effect; the error says what differs.
        early_stop: end the second run as soon as everything that backward needs is there.
        preserve_rng_state: let the second run draw the same random numbers from the default generator as the first.

    Raises:
        CheckpointError: in backward: the second run saved other tensors than the first.
        ValueError: ``determinism_check`` is none of these.

    Example::

        >>> import dovetail
        >>> from dovetail.utils.checkpoint import checkpoint
        >>> x = dovetail.tensor([0.0, 1.0], requires_grad=True)
        >>> y = checkpoint(lambda x: x.exp().exp(), x, use_reentrant=False)
        >>> y.sum().backward(); x.grad
        tensor([ 2.7183, 41.1936])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check is 'default' or 'none', got {determinism_check!r}")
    first, second = context_fn()
    if not state.grad:
        with first:
            return function(*args, **kwargs)
    frame = _Frame(function, args, kwargs, second, determinism_check == "default", early_stop, preserve_rng_state)
    with first, saved_tensors_hooks(frame.count, frame.recomputed):
        results = function(*args, **kwargs)
    frame.forget_unused_random()
    return results


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Return what the functions give one after the other, with all ``segments`` but the last under ``checkpoint``.

    Args:
        functions: an ``nn.Sequential``, or functions of one argument each.
        segments: how many parts of equal length to make of them.
        input: the first one's argument.
        use_reentrant: as for ``checkpoint``.
        kwargs: ``preserve_rng_state``.

    Raises:
        ValueError: there are fewer functions than segments, or another keyword argument.

    Example::

        >>> import dovetail
        >>> from dovetail.utils.checkpoint import checkpoint_sequential
        >>> x = dovetail.tensor([0.0, 1.0], requires_grad=True)
        >>> checkpoint_sequential([dovetail.exp, dovetail.log, dovetail.exp], 2, x).sum().backward()
        >>> x.grad
        tensor([1.0000, 2.7183])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential takes preserve_rng_state, got {', '.join(kwargs)}")
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if not 1 <= segments <= len(functions):
        raise ValueError(f"checkpoint_sequential: segments is from 1 to the {len(functions)} functions, got {segments}")
    length = len(functions) // segments
    for start in range(0, length * (segments - 1), length):
        part = _in_turn(functions[start : start + length])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _in_turn(functions[length * (segments - 1) :])(input)


def _in_turn(functions: Iterable[Callable[..., Any]]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return call


class _Frame:
    """One call under ``checkpoint``: how to run it again, and the values that this gave, until they are used."""

    def __init__(
        self,
        function: Any,
        args: tuple,
        kwargs: dict[str, Any],
        context: Any,
        check: bool,
        early_stop: bool,
        keep: bool,
    ) -> None:
        self.function, self.context, self.check, self.early_stop = function, context, check, early_stop
        self.args = [_kept(value) for value in args]
        self.kwargs = {name: _kept(value) for name, value in kwargs.items()}
        self.random = random.default_generator.state_bytes() if keep else None
        self.modes = [mode for mode in state.modes if hasattr(mode, "renewed")]
        self.first: list[Any] = []  # shape and dtype of what the first run saved
        self.values: dict[int, Tensor] = {}

    def forget_unused_random(self) -> None:
        """Keep no state of the random numbers where the function drew none, since going back to it takes a while."""
        if self.random is not None and self.random == random.default_generator.state_bytes():
            self.random = None

    def count(self, tensor: Tensor) -> Any:
        """Return the number under which a saved tensor will be found again; a leaf is there anyway."""
        if tensor._node is LEAF:
            return tensor
        self.first.append((tuple(tensor._array.shape), tensor.dtype))
        return len(self.first) - 1

    def recomputed(self, handle: Any) -> Tensor:
        """Return a saved tensor, after running the function again if its values are not there."""
        if isinstance(handle, Tensor):
            return handle
        if handle not in self.values:
            self.values = self.run()
        return self.values.pop(handle)

    def run(self) -> dict[int, Tensor]:
        """Run the function again; returns what it saved."""
        found: dict[int, Tensor] = {}

        def collect(tensor: Tensor) -> Any:
            if tensor._node is LEAF:
                return tensor
            saved = found[len(found)] = tensor.detach()
            if self.early_stop and len(found) == len(self.first):
                raise _Enough(self)
            return saved

        try:
            self._call(saved_tensors_hooks(collect, lambda saved: saved))
        except _Enough as enough:
            if enough.args[0] is not self:
                raise
        self._expect_same(found)
        return found

    def _call(self, collecting: Any) -> None:
        args = [_given(value) for value in self.args]
        kwargs = {name: _given(value) for name, value in self.kwargs.items()}
        with ExitStack() as stack:
            stack.enter_context(_outside_of_backward())
            stack.enter_context(random.fork_rng(enabled=self.random is not None))
            if self.random is not None:
                random.default_generator.set_state_bytes(self.random)
            for mode in self.modes:
                stack.enter_context(mode.renewed())
            for context in (enable_grad(), self.context, collecting):
                stack.enter_context(context)
            self.function(*args, **kwargs)

    def _expect_same(self, found: dict[int, Tensor]) -> None:
        if len(found) != len(self.first) and (self.check or len(found) < len(self.first)):
            raise CheckpointError(
                f"checkpoint: the function saved {len(self.first)} tensors for backward at first, and {len(found)} "
                "when it was computed again; it must do the same each time, also with changed state such as train()"
            )
        for position, (shape, dtype) in enumerate(self.first if self.check else ()):
            again = found[position]
            if tuple(again._array.shape) != shape or again.dtype is not dtype:
                raise CheckpointError(
                    f"checkpoint: saved tensor {position} was {dtype} of sizes {shape} at first, and {again.dtype} of "
                    f"sizes {tuple(again._array.shape)} when it was computed again; the function must do the same each "
                    "time"
                )


def _kept(argument: Any) -> Any:
    """Return what to keep of an argument: within another checkpoint a tensor is computed again, too."""
    if not isinstance(argument, Tensor):
        return argument
    return Packed(argument, *state.packers[-1]) if state.packers else _Versioned(argument)


def _given(kept: Any) -> Any:
    """Return an argument as it was."""
    return kept.tensor() if type(kept) in (Packed, _Versioned) else kept


class _Versioned:
    """A tensor that must not be written to as long as it is kept."""

    def __init__(self, kept: Tensor) -> None:
        self.kept = kept
        self.version = kept._version

    def tensor(self) -> Tensor:
        if self.kept._version != self.version:
            raise GradError(
                f"checkpoint: an argument, a {self.kept.dtype} tensor of sizes {tuple(self.kept.shape)}, has been "
                f"modified by an in-place operation: it is at version {self.kept._version}, expected version "
                f"{self.version}; write to a copy made by .clone(), or after backward()"
            )
        return self.kept


class _outside_of_backward:
    """Runs a block as if no backward pass were going on: with no mode and no node of it."""

    def __enter__(self) -> None:
        self.outer = state.modes, state.packers, getattr(state, "node", None)
        state.modes, state.packers = (), ()
        self._set_node(None)

    def __exit__(self, *error: Any) -> None:
        state.modes, state.packers, node = self.outer
        self._set_node(node)

    @staticmethod
    def _set_node(node: Any) -> None:
        if hasattr(state, "node"):
            state.node = node

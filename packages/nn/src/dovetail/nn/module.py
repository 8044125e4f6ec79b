"""`Module`, the base of every layer and every model."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self

import dovetail
from dovetail import Tensor
from dovetail.autograd.hooks import RemovableHandle, added
from dovetail.errors import DTypeError
from dovetail.modes import active as active_modes
from dovetail.modes import state, through_module
from dovetail.nn._state import State
from dovetail.nn.parameter import Parameter


class Module(State):
    """The base of every layer and model: a subclass makes its parts in ``__init__`` and uses them in ``forward``.

    Parameters, buffers and modules assigned to attributes are registered in the order of assignment.

    Example::

        >>> import dovetail
        >>> from dovetail import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc = nn.Linear(2, 1)
        ...     def forward(self, x):
        ...         return self.fc(x).relu()
        >>> net = Net()
        >>> tuple(net(dovetail.ones(4, 2)).shape)
        (4, 1)
        >>> [name for name, _ in net.named_parameters()]
        ['fc.weight', 'fc.bias']
    """

    training: bool
    _backward_hooks: dict[int, Any]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks: dict[int, Any]

    def __init__(self) -> None:
        """Make the empty registries; a subclass calls this before it assigns anything."""
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _modules={},
        )

    # Calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's output; every subclass defines it.

        Raises:
            TypeError: the class does not define it.
        """
        raise TypeError(f"{type(self).__name__} has no forward(); define forward(self, x) in the class")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and the hooks around it."""
        try:
            hooked = self._forward_hooks or self._forward_pre_hooks or self._backward_hooks
        except AttributeError:
            raise AttributeError(f"{type(self).__name__}.__init__ must call super().__init__() first") from None
        if active_modes and state.modes:
            return through_module(self, self._call_hooked, args, kwargs)
        if hooked:
            return self._call_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is None:
                continue
            if with_kwargs:
                args, kwargs = changed
            else:
                args = changed if isinstance(changed, tuple) else (changed,)
        boundary = None
        if self._backward_hooks:
            from dovetail.nn._backward_hooks import Boundary

            boundary = Boundary(self)
            args = boundary.entered(args)
        out = None
        waiting = dict(self._forward_hooks)
        try:
            out = self.forward(*args, **kwargs)
            for key in tuple(waiting):
                hook, with_kwargs, _ = waiting.pop(key)
                changed = hook(self, args, kwargs, out) if with_kwargs else hook(self, args, out)
                out = out if changed is None else changed
        except Exception:
            self._call_always(waiting, args, kwargs, out)
            raise
        return out if boundary is None else boundary.left(out)

    def _call_always(self, waiting: dict[int, Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """Call the hooks that are to run even though ``forward``, or another hook, has raised."""
        for hook, with_kwargs, always in waiting.values():
            if always:
                try:
                    changed = hook(self, args, kwargs, out) if with_kwargs else hook(self, args, out)
                    out = out if changed is None else changed
                except Exception as error:
                    message = f"a forward hook with always_call=True raised {error!r} while another error was raised"
                    warnings.warn(message, stacklevel=2)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments unless it is None.

        Args:
            hook: the function; with ``with_kwargs`` it is called as ``hook(module, args, kwargs)``.
            prepend: whether it runs before the hooks that are there.
            with_kwargs: whether it sees, and returns, the keyword arguments as well.

        Returns:
            A handle whose ``remove()`` takes the hook off.
        """
        return _add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output unless it is None.

        Args:
            hook: the function; with ``with_kwargs`` it is called as ``hook(module, args, kwargs, output)``.
            prepend: whether it runs before the hooks that are there.
            with_kwargs: whether it sees the keyword arguments as well.
            always_call: whether it runs, with None as the output, even when ``forward`` raises.

        Returns:
            A handle whose ``remove()`` takes the hook off.
        """
        return _add_hook(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs have been computed.

        Both are tuples with an entry for each input and output, None where there is none. A tuple that the hook returns
        takes the place of ``grad_input``. Inputs and outputs must not be written to in place then.

        Args:
            hook: the function. prepend: whether it runs before the hooks that are there.

        Returns:
            A handle whose ``remove()`` takes the hook off.

        Example::

            >>> import dovetail
            >>> from dovetail import nn
            >>> layer = nn.Identity()
            >>> handle = layer.register_full_backward_hook(lambda module, inputs, outputs: print(inputs, outputs))
            >>> layer(dovetail.ones(1, requires_grad=True)).backward()
            (tensor([1.]),) (tensor([1.]),)
        """
        return _add_hook(self._backward_hooks, (hook, False), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the module's outputs have been computed.

        A tuple that the hook returns takes the place of ``grad_output``.

        Args:
            hook: the function. prepend: whether it runs before the hooks that are there.

        Returns:
            A handle whose ``remove()`` takes the hook off.
        """
        return _add_hook(self._backward_hooks, (hook, True), prepend)

    # Modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below (dropout drops, batch norm uses the batch), and return the module.

        Raises:
            ValueError: ``mode`` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False; got {type(mode).__name__}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below, and return the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters need gradients, and return the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the parameters' gradients, or fill them with zeros where ``set_to_none`` is False."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = dovetail.zeros_like(parameter.grad)

    # Moving

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every module below and then on this one, and return the module.

        Example::

            >>> from dovetail import nn
            >>> _ = nn.Sequential(nn.ReLU(), nn.Identity()).apply(lambda module: print(type(module).__name__))
            ReLU
            Identity
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the values of every parameter, gradient and buffer by ``fn`` of them, keeping the parameters."""
        for module in self.children() if recurse else ():
            module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with dovetail.no_grad():
                parameter.data = fn(parameter.data)
                if grad is not None:
                    parameter.grad = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the module in place: ``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or ``to(tensor)``.

        A dtype must be floating-point or complex, and only values that are so already are converted.

        Raises:
            DTypeError: the dtype is an integer or bool one.

        Example::

            >>> import dovetail
            >>> from dovetail import nn
            >>> nn.Linear(2, 2).to("cpu", dovetail.float64).weight.dtype
            dovetail.float64
        """
        device, dtype = _placement(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise DTypeError(f"a module is converted to floating-point or complex dtypes only; got {dtype}")

        def convert(tensor: Tensor) -> Tensor:
            wanted = dtype if tensor.is_floating_point() or tensor.is_complex() else None
            return tensor.to(device=device, dtype=wanted)

        return self._apply(convert)

    def float(self) -> Self:
        """Convert floating-point values to float32, in place."""
        return self._convert(dovetail.float32)

    def double(self) -> Self:
        """Convert floating-point values to float64, in place."""
        return self._convert(dovetail.float64)

    def half(self) -> Self:
        """Convert floating-point values to float16, in place."""
        return self._convert(dovetail.float16)

    def bfloat16(self) -> Self:
        """Convert floating-point values to bfloat16, in place."""
        return self._convert(dovetail.bfloat16)

    def _convert(self, dtype: Any) -> Self:
        return self._apply(lambda tensor: tensor.to(dtype=dtype) if tensor.is_floating_point() else tensor)

    def cpu(self) -> Self:
        """Move the module to the CPU, in place."""
        return self.to(device="cpu")

    def cuda(self, device: int | None = None) -> Self:
        """Move the module to a CUDA device, in place; needs dovetail-cuda."""
        return self.to(device="cuda" if device is None else f"cuda:{device}")

    # Printing

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when the module is printed; a layer overrides it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if not lines and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        body = [*(extra.split("\n") if extra else []), *lines]
        return f"{self._get_name()}(\n  " + "\n  ".join(body) + "\n)"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _add_hook(hooks: dict[int, Any], entry: tuple[Any, ...], prepend: bool) -> RemovableHandle:
    handle = added(hooks, entry)
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle


def _placement(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Return the device and dtype that ``Module.to`` was asked for."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    kwargs.pop("non_blocking", None)
    if kwargs:
        raise TypeError(f"Module.to() takes device, dtype and non_blocking; got {', '.join(kwargs)}")
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, dovetail.dtype):
            dtype = value
        elif not isinstance(value, bool):
            device = value
    return device, dtype


__all__ = ["Module", "Parameter", "RemovableHandle"]

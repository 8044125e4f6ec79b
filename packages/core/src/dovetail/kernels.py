"""Which kernel serves an op on a device: the backend's own, a plug-in's, or the reference kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import plugins
from dovetail.backends.base import Backend
from dovetail.device import Device
from dovetail.errors import DeviceError
from dovetail.op import OPS, Op

PluginKernels = dict[str, dict[str, tuple[str, Callable[..., Any]]]]

_from_plugins: PluginKernels | None = None


def prepared_kernel(op: Op, device: Device) -> Callable[..., Any]:
    """Return what the dispatcher calls for ``op`` on ``device``, a function of arrays and options, and remember it."""
    backend = device.backend
    plain = not op.options and not op.variadic and not op.optional and len(op.outputs) == 1
    arity = len(op.inputs) if plain and len(op.inputs) <= 2 else None
    candidates = []
    for _, kernel in serving(op, backend):
        candidates.append(kernel)
        if getattr(kernel, "complete", False):  # it never passes a case on
            break
    kernel = candidates[0] if len(candidates) == 1 else _first_taker(candidates)
    prepared = op.kernels[device] = backend.prepare(backend.suited(kernel, op), arity)
    return prepared


def _first_taker(candidates: list[Callable[..., Any]]) -> Callable[..., Any]:
    """Return a kernel that tries each candidate until one does not pass on the case by NotImplemented."""
    *preferred, reference = candidates
    if len(preferred) == 1:
        return _first_of_two(preferred[0], reference)

    def kernel(xp: Any, *arrays: Any, **options: Any) -> Any:
        for candidate in preferred:
            result = candidate(xp, *arrays, **options)
            if result is not NotImplemented:
                return result
        return reference(xp, *arrays, **options)

    return kernel


def _first_of_two(preferred: Callable[..., Any], reference: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(xp: Any, *arrays: Any, **options: Any) -> Any:
        result = preferred(xp, *arrays, **options)
        return reference(xp, *arrays, **options) if result is NotImplemented else result

    return kernel


def serving(op: Op, backend: Backend) -> list[tuple[str, Callable[..., Any]]]:
    """Return the kernels for ``op`` on ``backend``, first choice first, each with who gives it."""
    found = []
    from_plugin = plugin_kernels().get(backend.name, {}).get(op.name)
    if from_plugin is not None:
        found.append(from_plugin)
    own = backend.kernels.get(op.name)
    if own is not None:
        found.append((f"backend {backend.name}", own))
    found.append(("reference", op.kernel if op.extension is None else _with_extension(op, backend)))
    return found


def _with_extension(op: Op, backend: Backend) -> Callable[..., Any]:
    """Return the reference kernel of an op that needs an extension of the array standard, which libraries may lack."""

    def kernel(xp: Any, *arrays: Any, **options: Any) -> Any:
        if not hasattr(xp, str(op.extension)):
            raise DeviceError(
                f"{op.name}: the array library of backend {backend.name!r} has no {op.extension!r}, an extension of "
                f"the array standard; compute on the CPU, x.cpu(), or give the backend a kernel for {op.name!r}"
            )
        return op.kernel(xp, *arrays, **options)

    return kernel


def lacks(op: Op, backend: Backend) -> bool:
    """Return whether nothing serves ``op``: its reference kernel needs an extension that the array library lacks."""
    return op.extension is not None and not hasattr(backend.xp, op.extension) and len(serving(op, backend)) == 1


def plugin_kernels() -> PluginKernels:
    """Return the kernels that plug-ins give to any backend: by backend, then op, with the plug-in's name.

    The plug-ins are asked when the first op runs, so that importing Dovetail loads none.
    """
    global _from_plugins
    if _from_plugins is None:
        # built apart: loading a plug-in may run an op, which comes back here, and ends by a call of forget
        found: PluginKernels = {}
        for record, results in plugins.call("dovetail_register_kernels"):
            for result in results:
                _take(found, record, result)
        _from_plugins = found
    return _from_plugins


def _take(found: PluginKernels, record: Any, result: Any) -> None:
    try:
        backend_name, table = result
        kernels = dict(table)
    except (TypeError, ValueError):
        wanted = "(backend name, {op name: kernel})"
        plugins.fail(record, f"dovetail_register_kernels gave {result!r}; it must give pairs {wanted}")
        return
    from dovetail.ops import every as every_op

    of_backend = found.setdefault(backend_name, {})
    for name, kernel in kernels.items():
        if name not in OPS and name not in every_op():
            plugins.fail(record, f"kernel for {name!r} on {backend_name!r}, but there is no such op")
        elif name in of_backend:
            other = of_backend[name][0]
            plugins.fail(
                record, f"kernel for {name!r} on {backend_name!r} is given twice; also by {other}, which serves"
            )
        else:
            of_backend[name] = (str(record), kernel)


@plugins.on_change
def forget() -> None:
    """Choose kernels anew; for when plug-ins were loaded or removed."""
    global _from_plugins
    _from_plugins = None
    for op in OPS.values():
        op.kernels.clear()
        op.plain.clear()
        op.updates.clear()

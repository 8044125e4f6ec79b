"""Finding a backend by name: the built-in one first, then the plug-ins'."""

from __future__ import annotations

from dovetail import plugins
from dovetail.backends.base import CAPABILITIES, Backend
from dovetail.backends.cpu import CpuBackend
from dovetail.device import CPU, Device, forget_backends
from dovetail.errors import DeviceError
from dovetail.plugin_loading import describe

ADVICE = "backends are plug-ins, for NVIDIA cards: pip install dovetail-cuda; see: dovetail plugins"

_builtin: dict[str, Backend] = {"cpu": CpuBackend()}
_found: dict[str, Backend] | None = None
#: Backends that transforms make for themselves; they are listed nowhere.
internal: dict[str, Backend] = {}


def get_backend(name: str) -> Backend:
    """Return the usable backend called ``name``.

    Raises:
        DeviceError: there is none, or it cannot run here; the text says why and what to try.
    """
    if name in _builtin:
        return _builtin[name]
    if name in internal:
        return internal[name]
    known = backends()
    if name not in known:
        raise DeviceError(plugins.explain_missing("backend", name, list(known), ADVICE))
    backend = known[name]
    missing = why_missing(backend)
    if missing is not None:
        raise DeviceError(f"backend {name!r} cannot run here: {missing}")
    return backend


def backend_for_dlpack(kind: int, index: int) -> Device:
    """Return the device for memory on DLPack's device type ``kind``.

    Raises:
        DeviceError: no backend takes such memory.
    """
    if kind in CPU.backend.dlpack_devices:
        return CPU
    for name, backend in backends().items():
        if kind in backend.dlpack_devices and why_missing(backend) is None:
            return Device(name, index)
    raise DeviceError(f"no backend for memory of DLPack's device type {kind}; {ADVICE}")


def why_missing(backend: Backend) -> str | None:
    """Return why a backend cannot run here, or None when it can."""
    try:
        return backend.missing()
    except Exception as error:
        return f"its missing() raised {describe(error)}"


def backends() -> dict[str, Backend]:
    """Return every backend that is registered, usable here or not, by name; loads the plug-ins on first use."""
    global _found
    if _found is None:
        # built apart: loading a plug-in may look a backend up, which comes back here, and ends by a call of forget
        _found = _collect()
    return _found


def _collect() -> dict[str, Backend]:
    given: dict[str, list] = {}
    for record, results in plugins.call("dovetail_register_backends"):
        for backend in results:
            problem = _problem(backend)
            if problem is None:
                given.setdefault(backend.name, []).append((record, backend))
            for complaint in [problem] if problem else _harmless_problems(backend):
                plugins.fail(record, complaint)
    found = dict(_builtin)
    for name, offers in sorted(given.items()):
        if len(offers) == 1:
            found[name] = offers[0][1]
            continue
        both = " and ".join(str(record) for record, _ in offers)
        for record, _ in offers:
            plugins.fail(record, f"backend {name!r} is registered {len(offers)} times, by {both}; none of them is used")
    return found


def _problem(backend) -> str | None:
    """Return what is wrong with an object that a plug-in registers as a backend, or None."""
    if not isinstance(backend, Backend):
        return f"dovetail_register_backends gave {backend!r}; it must give objects of a subclass of dovetail.Backend"
    if not isinstance(backend.name, str) or not backend.name.isidentifier():
        return f"{type(backend).__name__}.name is {backend.name!r}; it must be an identifier such as 'acme'"
    if backend.name in _builtin:
        return f"backend {backend.name!r} is built in; give it another name"
    return None


def _harmless_problems(backend: Backend) -> list[str]:
    """Return what a backend states that means nothing, most often for being misspelled; it can be used all the same."""
    from dovetail import ops
    from dovetail.op import OPS

    found = [
        f"backend {backend.name!r} has a kernel for {name!r}, but there is no such op"
        for name in backend.kernels
        if name not in OPS and name not in ops.every()
    ]
    unknown = sorted(set(backend.capabilities) - CAPABILITIES)
    if unknown:
        known = ", ".join(sorted(CAPABILITIES))
        found.append(f"backend {backend.name!r} states capabilities {unknown}; there are {known}")
    return found


@plugins.on_change
def forget() -> None:
    """Ask the plug-ins again at the next look-up; for when plug-ins were loaded or removed."""
    global _found
    _found = None
    forget_backends()

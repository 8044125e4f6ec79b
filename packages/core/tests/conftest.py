"""Fixtures for core's tests."""

import sys
import textwrap
import warnings
from typing import ClassVar

import numpy as np
import pytest

import dovetail
from dovetail import plugins


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package of one module, as pip would, into a folder on the path."""
    monkeypatch.delenv(plugins.ENVIRONMENT, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def add(package, source, name=None, version="1.0", requires=()):
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{needs}")
        name = name or package.removeprefix("dovetail-")
        (info / "entry_points.txt").write_text(f"[dovetail]\n{name} = {module}\n")
        return info

    plugins.reset()
    yield add
    plugins.reset()
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def own_specs(monkeypatch):
    """Let a test add hook specs without leaving them behind."""
    monkeypatch.setattr(plugins, "_owners", list(plugins._owners))
    plugins.reset()
    yield
    plugins.reset()


def place(lib, array, layout="plain"):
    """Return a NumPy array as a tensor of Dovetail or PyTorch, its elements side by side in memory or not."""
    if layout == "strided" and array.ndim:
        return lib.tensor(np.repeat(array, 2, axis=-1))[..., ::2]
    if layout == "permuted" and array.ndim:
        return lib.tensor(np.ascontiguousarray(array.T)).permute(*reversed(range(array.ndim)))
    return lib.tensor(array)


class Comparison:
    """Runs the same call on the same numbers in Dovetail and in PyTorch."""

    tolerance: ClassVar = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "complex64": 2e-5}

    def __init__(self, torch):
        self.torch = torch

    def __call__(self, call, *arrays, layout="plain", gradients=True):
        """Assert that ``call(library, *tensors)`` gives equal results and gradients, or is an error in both."""
        ours, theirs = (self._run(lib, call, arrays, layout, gradients) for lib in (dovetail, self.torch))
        if isinstance(theirs, Exception) or isinstance(ours, Exception):
            assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
            assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}; Dovetail gave {ours!r}"
            assert isinstance(ours, (RuntimeError, IndexError, TypeError, ValueError)), repr(ours)
            return ours
        self.same(ours, theirs)
        return None

    def _run(self, lib, call, arrays, layout, gradients):
        tensors = [place(lib, value, layout) if isinstance(value, np.ndarray) else value for value in arrays]
        floats = [value for value in tensors if hasattr(value, "requires_grad") and value.is_floating_point()]
        leaves = [value.requires_grad_() for value in floats] if gradients else []
        try:
            with warnings.catch_warnings():
                if lib is self.torch:
                    warnings.simplefilter("ignore")
                return self._with_gradients(lib, call(lib, *tensors), leaves)
        except Exception as error:
            return error

    @staticmethod
    def _with_gradients(lib, results, leaves):
        outputs = [value for value in _flat(results) if getattr(value, "requires_grad", False)]
        if not leaves or not outputs:
            return results
        weights = [np.random.default_rng(n).uniform(0.5, 1.5, tuple(out.shape)) for n, out in enumerate(outputs)]
        given = [lib.tensor(weight).to(out.dtype) for weight, out in zip(weights, outputs, strict=True)]
        return [results, lib.autograd.grad(outputs, leaves, given, allow_unused=True)]

    def same(self, ours, theirs):
        """Assert that a result, or each of several, is the same."""
        if isinstance(theirs, (tuple, list)) and not isinstance(theirs, self.torch.Size):
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                self.same(one, other)
        elif isinstance(theirs, self.torch.Tensor):
            assert tuple(ours.shape) == tuple(theirs.shape)
            assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
            assert ours.requires_grad == theirs.requires_grad
            self._same_numbers(ours.detach(), theirs.detach())
        elif theirs is None and isinstance(ours, dovetail.Tensor):
            assert not ours.any()  # a gradient of zeros
        else:
            assert ours == theirs or (ours != ours and theirs != theirs)

    def _same_numbers(self, ours, theirs):
        tolerance = self.tolerance.get(ours.dtype.name, 1e-11)
        if ours.dtype in (dovetail.bfloat16, dovetail.float16):
            ours, theirs = ours.float(), theirs.float()
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance)


def _flat(results):
    if isinstance(results, (tuple, list)):
        return [value for part in results for value in _flat(part)]
    return [results]


@pytest.fixture(scope="session")
def compare():
    """Return what compares Dovetail with PyTorch, where that is installed."""
    return Comparison(pytest.importorskip("torch"))


class Agreement:
    """Runs the same short program in Dovetail and in PyTorch, and compares what it returns, raises and warns of."""

    def __init__(self, torch):
        self.torch = torch

    def __call__(self, program, *words, warns=False):
        """Assert that ``program(library)`` returns the same, or raises the same built-in, with ``words`` in both texts.

        Returns what Dovetail returned or raised.
        """
        ours, theirs = (self.run(lib, program, warns) for lib in (dovetail, self.torch))
        if isinstance(ours, Exception) or isinstance(theirs, Exception):
            assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
            assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}; Dovetail gave {ours!r}"
            builtin = next(kind for kind in type(theirs).__mro__ if kind.__module__ == "builtins")
            assert isinstance(ours, builtin), f"{ours!r} is no {builtin.__name__}"
            for word in words:
                assert word.lower() in str(ours).lower(), str(ours)
                assert word.lower() in str(theirs).lower(), str(theirs)
            return ours
        assert not words, f"both take this: {ours!r}"
        assert _alike(ours, theirs), f"{ours!r} is not {theirs!r}"
        return ours

    @staticmethod
    def run(lib, program, warns=False):
        """Return what a program gives, or the error that it raises."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = _plain(program(lib))
            except Exception as error:
                return error
        kinds = [warning.category for warning in caught]
        assert bool(kinds) == warns, f"{lib.__name__}: {[str(warning.message) for warning in caught]}"
        return result


def _plain(value):
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if hasattr(value, "detach"):
        return {
            "dtype": str(value.dtype).split(".")[1],
            "shape": list(value.shape),
            "requires_grad": value.requires_grad,
            "values": value.detach().tolist(),
        }
    return str(value).split(".")[-1] if type(value).__name__ in ("dtype", "DType") else value


def _alike(ours, theirs):
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(_alike(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    if isinstance(theirs, float) and isinstance(ours, float):
        close = ours == theirs or abs(ours - theirs) <= 2e-5 * max(1.0, abs(theirs))
        return close or (ours != ours and theirs != theirs)
    return ours == theirs


@pytest.fixture(scope="session")
def agree():
    """Return what runs a program in Dovetail and in PyTorch, where that is installed."""
    return Agreement(pytest.importorskip("torch"))

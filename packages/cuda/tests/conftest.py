"""A stand-in for CuPy over NumPy: enough to run the backend's own logic on a machine without a GPU."""

import sys
import types

import numpy
import pytest

from dovetail import plugins
from dovetail.cuda import CudaBackend


class Gpus:
    """The state that CuPy keeps: how many GPUs, which is current, and what was asked of them."""

    def __init__(self, count=2):
        self.count = count
        self.selected = 0
        self.log = []
        self.problem = None
        self.compiler_problem = None

    def get_count(self):
        if self.problem is not None:
            raise self.problem
        return self.count

    def get_compiler_version(self):
        if self.compiler_problem is not None:
            raise self.compiler_problem
        return (12, 9)

    def select(self, index):
        self.selected = index


class Pool:
    def __init__(self, gpus):
        self.gpus = gpus

    def used_bytes(self):
        return 1000 + self.gpus.selected

    def total_bytes(self):
        return 2000 + self.gpus.selected

    def free_all_blocks(self):
        self.gpus.log.append(("free", self.gpus.selected))


class Plugin:
    def __init__(self, backend):
        self.backend = backend

    @plugins.hookimpl
    def dovetail_register_backends(self):
        return [self.backend]


def make(gpus):
    """Return a module that answers as CuPy would with these GPUs."""

    class Device:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            self.before, gpus.selected = gpus.selected, self.index
            return self

        def __exit__(self, *error):
            gpus.selected = self.before

        def synchronize(self):
            gpus.log.append(("synchronize", self.index))

    def array(source, dtype=None, copy=True, order="K", blocking=False):
        gpus.log.append(("array", gpus.selected, blocking))
        return numpy.array(source, dtype=dtype, copy=copy, order=order)

    properties = {"name": b"Fake GPU", "major": 9, "minor": 0}
    runtime = types.SimpleNamespace(
        getDeviceCount=gpus.get_count,
        getDevice=lambda: gpus.selected,
        setDevice=gpus.select,
        memGetInfo=lambda: (10, 20),
        getDeviceProperties=lambda index: properties,
    )

    class Module(types.ModuleType):
        def __getattr__(self, name):
            return getattr(numpy, name)

    module = Module("cupy")
    module.__spec__ = types.SimpleNamespace(name="cupy")
    module.__version__ = "14.0.0"
    module.array = array
    module.asnumpy = lambda array: numpy.array(array)
    module.get_default_memory_pool = lambda: Pool(gpus)
    module.random = types.SimpleNamespace(seed=lambda seed: gpus.log.append(("seed", gpus.selected, seed)))
    module.cuda = types.SimpleNamespace(
        Device=Device, runtime=runtime, nvrtc=types.SimpleNamespace(getVersion=gpus.get_compiler_version)
    )
    return module


@pytest.fixture
def gpus(monkeypatch):
    """Let ``import cupy`` find a stand-in with two GPUs, and return their state."""
    state = Gpus()
    monkeypatch.setitem(sys.modules, "cupy", make(state))
    return state


@pytest.fixture
def device(gpus):
    """Return the name of a device whose backend runs on the stand-in, with one GPU: NumPy's arrays name no other."""
    gpus.count = 1
    backend = CudaBackend()
    backend.name = "standin"
    holder = Plugin(backend)
    plugins.register(holder, "standin")
    yield backend.name
    plugins.unregister("standin")

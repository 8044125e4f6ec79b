"""What is told where CUDA cannot be used, and what the functions do there."""

import sys
import types

import pytest

import dovetail.cuda
from dovetail.cuda import availability
from dovetail.errors import DeviceError

BOTH = "pip install 'dovetail-cuda[cuda12]' or 'dovetail-cuda[cuda13]', by the CUDA version that nvidia-smi shows"


@pytest.fixture
def driver(monkeypatch):
    """Return a function that states the CUDA version of the driver."""
    return lambda version: monkeypatch.setattr(availability, "driver_version", lambda: version)


@pytest.fixture
def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(availability.importlib.util, "find_spec", lambda name: None)


def test_without_cupy_and_driver(without_cupy, driver):
    driver(None)
    assert availability.explain_missing() == (
        f"CuPy is not installed, and no NVIDIA driver was found; on a machine with a GPU: {BOTH}"
    )


@pytest.mark.parametrize(
    ("version", "extra"), [((12, 4), "cuda12"), ((13, 1), "cuda13"), ((14, 0), "cuda13"), ((11, 8), "cuda12")]
)
def test_without_cupy_the_extra_fits_the_driver(without_cupy, driver, version, extra):
    driver(version)
    assert availability.explain_missing() == (
        f"CuPy is not installed; the driver here is for CUDA {version[0]}.{version[1]}; try: "
        f"pip install 'dovetail-cuda[{extra}]'"
    )


def test_cupy_that_does_not_import(gpus, driver, monkeypatch):
    def fail(name):
        raise ImportError("libcublas.so.12: cannot open\nshared object file")

    driver((12, 4))
    monkeypatch.setattr(availability.importlib, "import_module", fail)
    assert availability.explain_missing() == (
        "CuPy is installed but does not import: ImportError: libcublas.so.12: cannot open shared object file; "
        "try: pip install 'dovetail-cuda[cuda12]'"
    )


def test_cupy_without_a_driver(gpus, driver):
    driver(None)
    gpus.problem = RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    assert availability.explain_missing() == (
        "CuPy 14.0.0 is installed, but no NVIDIA driver was found (RuntimeError: cudaErrorInsufficientDriver: "
        "CUDA driver version is insufficient); it needs an NVIDIA GPU with its driver; see: nvidia-smi"
    )


def test_driver_without_a_gpu(gpus, driver, monkeypatch):
    driver((12, 4))
    gpus.problem = RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert availability.explain_missing() == (
        "CuPy 14.0.0 is installed, but no GPU can be used (CUDA_VISIBLE_DEVICES=''): RuntimeError: cudaErrorNoDevice: "
        "no CUDA-capable device is detected; see: nvidia-smi"
    )


def test_count_of_none(gpus, driver, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus.count = 0
    assert availability.explain_missing() == "CuPy 14.0.0 is installed, but there is no GPU; see: nvidia-smi"


def test_compiler_that_does_not_load(gpus, driver):
    driver((13, 0))
    gpus.compiler_problem = RuntimeError("libnvrtc.so.13 not found")
    assert availability.explain_missing() == (
        "CuPy 14.0.0 is installed, but its kernel compiler NVRTC does not load: "
        "RuntimeError: libnvrtc.so.13 not found; try: pip install 'dovetail-cuda[cuda13]'"
    )


def test_all_there(gpus):
    assert availability.explain_missing() is None
    assert dovetail.cuda.is_available()
    assert dovetail.cuda.device_count() == 2


@pytest.mark.parametrize("answer", [(0, 12040, (12, 4)), (0, 0, None), (3, 12040, None)])
def test_driver_version_as_the_driver_tells_it(monkeypatch, answer):
    status, number, expected = answer

    def ask(pointer):
        pointer._obj.value = number
        return status

    monkeypatch.setattr(availability.ctypes, "CDLL", lambda name: types.SimpleNamespace(cuDriverGetVersion=ask))
    assert availability.driver_version() == expected


def test_driver_version_without_a_driver(monkeypatch):
    def fail(name):
        raise OSError("no such file")

    monkeypatch.setattr(availability.ctypes, "CDLL", fail)
    assert availability.driver_version() is None


def test_functions_where_cuda_cannot_be_used(without_cupy, driver):
    driver(None)
    assert not dovetail.cuda.is_available()
    assert dovetail.cuda.device_count() == 0
    assert dovetail.cuda.memory_allocated() == dovetail.cuda.memory_reserved() == 0
    dovetail.cuda.manual_seed(3)
    dovetail.cuda.manual_seed_all(3)
    dovetail.cuda.empty_cache()
    dovetail.cuda.set_device(-1)


@pytest.mark.parametrize(
    "name", ["synchronize", "current_device", "get_device_name", "get_device_capability", "mem_get_info"]
)
def test_functions_that_need_a_gpu_say_why_there_is_none(without_cupy, driver, name):
    driver(None)
    with pytest.raises(DeviceError, match="CUDA cannot be used here: CuPy is not installed"):
        getattr(dovetail.cuda, name)()


def test_tensor_on_cuda_says_why_not(without_cupy, driver):
    driver((12, 4))
    backend = dovetail.cuda.CudaBackend()
    assert backend.missing().endswith("try: pip install 'dovetail-cuda[cuda12]'")

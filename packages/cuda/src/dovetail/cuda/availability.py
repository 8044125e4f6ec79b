"""Why the CUDA backend cannot run on a machine, found out step by step: CuPy, driver, GPU, libraries."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os

EXTRAS = "pip install 'dovetail-cuda[cuda12]' or 'dovetail-cuda[cuda13]', by the CUDA version that nvidia-smi shows"


def explain_missing() -> str | None:
    """Return why CUDA cannot be used here, with the next step, or None when it can."""
    if importlib.util.find_spec("cupy") is None:
        return _without_cupy()
    try:
        cupy = importlib.import_module("cupy")
    except Exception as error:
        return f"CuPy is installed but does not import: {_one_line(error)}; try: {_extra()}"
    found = f"CuPy {cupy.__version__} is installed, but"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        return f"{found} {_why_no_count(error)}"
    if count == 0:
        return f"{found} there is no GPU{_hidden()}; see: nvidia-smi"
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        return f"{found} its kernel compiler NVRTC does not load: {_one_line(error)}; try: {_extra()}"
    return None


def _without_cupy() -> str:
    version = driver_version()
    if version is None:
        return f"CuPy is not installed, and no NVIDIA driver was found; on a machine with a GPU: {EXTRAS}"
    return f"CuPy is not installed; the driver here is for CUDA {version[0]}.{version[1]}; try: {_extra()}"


def _why_no_count(error: Exception) -> str:
    if driver_version() is None:
        return (
            f"no NVIDIA driver was found ({_one_line(error)}); it needs an NVIDIA GPU with its driver; see: nvidia-smi"
        )
    return f"no GPU can be used{_hidden()}: {_one_line(error)}; see: nvidia-smi"


def _hidden() -> str:
    """Return the setting that may hide the GPUs, or ""."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if value is None else f" (CUDA_VISIBLE_DEVICES={value!r})"


def _extra() -> str:
    """Return the command that installs CuPy for the driver here, or for both versions where there is none."""
    version = driver_version()
    return EXTRAS if version is None else f"pip install 'dovetail-cuda[cuda{min(max(version[0], 12), 13)}]'"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def driver_version() -> tuple[int, int] | None:
    """Return the newest CUDA version that the installed NVIDIA driver runs, or None without a driver."""
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
        number = ctypes.c_int(0)
        if driver.cuDriverGetVersion(ctypes.byref(number)) != 0 or number.value == 0:
            return None
    except (OSError, AttributeError):
        return None
    return number.value // 1000, number.value % 1000 // 10

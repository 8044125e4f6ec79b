"""Every exception that Dovetail raises on purpose.

Each also is the built-in that PyTorch raises in the same place, so ``except RuntimeError`` keeps working::

    DovetailError
    ├── ShapeError            (RuntimeError)  sizes that do not fit together
    ├── DTypeError            (RuntimeError, TypeError)  a dtype that the operation cannot take
    ├── DataError             (RuntimeError, TypeError, ValueError)  data that cannot become a tensor
    ├── DivisionByZeroError   (RuntimeError, ZeroDivisionError)  an integer divided by 0
    ├── DeviceError           (RuntimeError)  an unknown, missing or mixed device
    ├── LinAlgError           (RuntimeError)  a matrix that cannot be inverted or decomposed
    ├── GradError             (RuntimeError)  misuse of autograd
    ├── DistributionError     (RuntimeError, ValueError)  random numbers that no distribution or generator gives
    ├── VmapError             (RuntimeError)  what cannot be done to all samples of a batch at once
    ├── NonFiniteError        (RuntimeError)  an op made nan or inf, and a mode looks out for that
    ├── DeterminismError      (RuntimeError)  an op would not give the same numbers each time
    ├── TraceError            (RuntimeError)  a function that cannot be written down as a graph
    ├── PluginError           (RuntimeError)  a plug-in that does not load or does not keep its contract
    ├── LoadError             (RuntimeError)  a file that is damaged or not ours
    ├── DownloadError         (RuntimeError)  a data set that is not there, or could not be fetched
    ├── SaveError             (TypeError)     an object that cannot be saved
    ├── WorkerError           (RuntimeError)  a data loader's worker died, hangs or cannot be started
    └── MissingPackageError   (ModuleNotFoundError)  a part of Dovetail that is not installed
"""


class DovetailError(Exception):
    """The base of every error that Dovetail raises on purpose."""


class ShapeError(DovetailError, RuntimeError):
    """Sizes do not fit together."""


class DTypeError(DovetailError, RuntimeError, TypeError):
    """The operation cannot take this dtype."""


class DivisionByZeroError(DovetailError, RuntimeError, ZeroDivisionError):
    """An integer was divided by 0, which has no result that is an integer."""


class DataError(DovetailError, TypeError, ValueError, RuntimeError):
    """Something cannot become a tensor; PyTorch raises one or the other of these for it."""


class DeviceError(DovetailError, RuntimeError):
    """A device is unknown, cannot be used here, or tensors sit on different ones."""


class LinAlgError(DovetailError, RuntimeError):
    """A matrix cannot be inverted or decomposed."""


class GradError(DovetailError, RuntimeError):
    """Autograd was asked for something it cannot do."""


class DistributionError(DovetailError, RuntimeError, ValueError):
    """A distribution has no such parameter, or a generator no such state."""


class VmapError(DovetailError, RuntimeError):
    """A vmapped function asks for what cannot be done to all samples at once."""


class NonFiniteError(DovetailError, RuntimeError):
    """An op made nan or inf while ``nan_guard`` or ``detect_anomaly`` looked."""


class DeterminismError(DovetailError, RuntimeError):
    """An op would not give the same numbers each time, and ``deterministic`` is on."""


class TraceError(DovetailError, RuntimeError):
    """A function did what a graph cannot repeat."""


class PluginError(DovetailError, RuntimeError):
    """A plug-in did not load or does not keep its contract."""


class LoadError(DovetailError, RuntimeError):
    """A file is damaged, truncated or not in a known format."""


class DownloadError(DovetailError, RuntimeError):
    """A data set is not where it was looked for, or could not be fetched."""


class SaveError(DovetailError, TypeError):
    """An object cannot be saved."""


class WorkerError(DovetailError, RuntimeError):
    """A data loader's worker has died, does not answer or cannot be started."""


class MissingPackageError(DovetailError, ModuleNotFoundError):
    """A part of Dovetail is not installed."""

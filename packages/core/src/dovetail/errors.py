"""Every exception that Dovetail raises on purpose.

Each also is the built-in that PyTorch raises in the same place, so ``except RuntimeError`` keeps working::

    DovetailError
    ├── ShapeError            (RuntimeError)  sizes that do not fit together
    ├── DTypeError            (RuntimeError)  a dtype that the operation cannot take
    ├── DeviceError           (RuntimeError)  an unknown, missing or mixed device
    ├── LinAlgError           (RuntimeError)  a matrix that cannot be inverted or decomposed
    ├── GradError             (RuntimeError)  misuse of autograd
    ├── PluginError           (RuntimeError)  a plug-in that does not load or does not keep its contract
    ├── LoadError             (RuntimeError)  a file that is damaged or not ours
    ├── SaveError             (TypeError)     an object that cannot be saved
    └── MissingPackageError   (ModuleNotFoundError)  a part of Dovetail that is not installed
"""


class DovetailError(Exception):
    """The base of every error that Dovetail raises on purpose."""


class ShapeError(DovetailError, RuntimeError):
    """Sizes do not fit together."""


class DTypeError(DovetailError, RuntimeError):
    """The operation cannot take this dtype."""


class DeviceError(DovetailError, RuntimeError):
    """A device is unknown, cannot be used here, or tensors sit on different ones."""


class LinAlgError(DovetailError, RuntimeError):
    """A matrix cannot be inverted or decomposed."""


class GradError(DovetailError, RuntimeError):
    """Autograd was asked for something it cannot do."""


class PluginError(DovetailError, RuntimeError):
    """A plug-in did not load or does not keep its contract."""


class LoadError(DovetailError, RuntimeError):
    """A file is damaged, truncated or not in a known format."""


class SaveError(DovetailError, TypeError):
    """An object cannot be saved."""


class MissingPackageError(DovetailError, ModuleNotFoundError):
    """A part of Dovetail is not installed."""

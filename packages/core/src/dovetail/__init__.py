"""Deep learning in parts that fit: tensors, autograd and plug-ins, in PyTorch's way of working."""

from __future__ import annotations

import math
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

__path__ = extend_path(__path__, __name__)  # the other packages add dovetail/<part>

from dovetail import autograd, dtypes, errors, methods, ops, random
from dovetail._parts import LATE, late_attribute, watch_imports
from dovetail.align import result_type
from dovetail.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from dovetail.backends.base import Backend
from dovetail.creation import (
    empty,
    empty_like,
    empty_permuted,
    empty_strided,
    eye,
    full,
    full_like,
    ones,
    ones_like,
    scalar_tensor,
    zeros,
    zeros_like,
)
from dovetail.creation_random import rand, rand_like, randint, randint_like, randn, randn_like, randperm
from dovetail.device import Device, get_default_device, set_default_device
from dovetail.dtypes import (
    DType,
    can_cast,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
)
from dovetail.from_data import as_tensor, asarray, from_numpy, tensor
from dovetail.memory_format import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from dovetail.modes import Mode
from dovetail.op import Sample, op
from dovetail.plugins import hookimpl, hookspec
from dovetail.random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from dovetail.ranges import arange, linspace
from dovetail.tensor import Size, Tensor

__version__ = "0.1.0"

inf, nan = float("inf"), float("nan")
pi, e, newaxis = math.pi, math.e, None
device = Device
dtype = DType
globals().update(dtypes.DTYPES)
globals().update(dtypes.ALIASES)
globals().update(methods.FUNCTIONS)


def is_tensor(value: Any) -> Any:
    """Return whether ``value`` is a tensor."""
    return isinstance(value, Tensor)


def __getattr__(name: str) -> Any:
    """Import a part (``dovetail.nn``) or a late name when it is first used; say how to install a missing part."""
    return late_attribute(name)


def __dir__() -> list[str]:
    """List the late names too."""
    return sorted({*globals(), *LATE})


if TYPE_CHECKING:
    from dovetail.exchange import from_dlpack, frombuffer, to_dlpack
    from dovetail.func import vmap
    from dovetail.layouts import layout, strided
    from dovetail.legacy import set_default_tensor_type
    from dovetail.modes.casting import autocast, get_autocast_dtype, is_autocast_enabled
    from dovetail.modes.determinism import (
        are_deterministic_algorithms_enabled,
        is_deterministic_algorithms_warn_only_enabled,
        use_deterministic_algorithms,
    )
    from dovetail.modes.guard import nan_guard
    from dovetail.printing import set_printoptions
    from dovetail.ranges import logspace, range
    from dovetail.sampling import bernoulli, binomial, multinomial, normal, poisson
    from dovetail.serialization import load, save

watch_imports()

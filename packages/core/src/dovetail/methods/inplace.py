"""Methods that write values into the tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail import ops
from dovetail.align import broadcast_clash
from dovetail.errors import DTypeError, ShapeError
from dovetail.from_data import tensor
from dovetail.methods.registry import FUNCTIONS, method
from dovetail.modes import active as active_modes
from dovetail.modes import state
from dovetail.tensor import Tensor
from dovetail.views import assign, become_view, check_origin, check_overlap, check_writable, written
from dovetail.writes import in_place, lacks_out, with_out


@method
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the elements of ``src``, which broadcasts, into this tensor."""
    check_writable(self, "copy_")
    if self._alias is not None:
        check_overlap(self, (src,), "copy_")
    value = src.to(self) if isinstance(src, Tensor) else tensor(src, dtype=self.dtype, device=self._device)
    return assign(self, value if value._array.shape == self._array.shape else _spread(value, self))


def _spread(value: Tensor, target: Tensor) -> Tensor:
    clash = broadcast_clash([value.shape, target.shape]) if value.ndim <= target.ndim else "it has more dimensions"
    if clash or any(n == 1 != m for n, m in zip(target.shape[::-1], value.shape[::-1], strict=False)):
        raise ShapeError(
            f"copy_: the source of sizes {tuple(value.shape)} cannot be expanded to the sizes {tuple(target.shape)} of "
            "the tensor; only 1s can be repeated"
        )
    return value.expand(target.shape)


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write ``value`` into every element."""
    if isinstance(value, Tensor):
        if value._device.backend.level:
            return self.copy_(value)
        if value.ndim:
            raise DTypeError(f"fill_: takes a number or a 0-d tensor, got sizes {tuple(value.shape)}")
        check_overlap(self, (), "fill_")
        if value._node is not None and state.grad:
            check_writable(self, "fill_")
            return assign(self, value.to(self).expand(self.shape))
        value = value.item()
    return _filled(self, value, "fill_")


@method
def zero_(self: Tensor) -> Tensor:
    """Write 0 into every element."""
    return _filled(self, 0, "zero_")


def _filled(x: Tensor, value: Any, what: str) -> Tensor:
    if state.grad:
        check_writable(x, what)
        check_origin(x, False)
    if active_modes and state.modes:  # which see it as an op
        return assign(x, ops.fill(x.detach(), value=value))
    try:
        x._array = x._device.backend.filled(x._array, value)
    except (OverflowError, TypeError, ValueError):
        return assign(x, ops.fill(x.detach(), value=value))
    return written(x, None)


# The methods that write where they read

#: All that PyTorch has; of these what has a method without the underscore. A list, since not each method may write.
_IN_PLACE = (
    "abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan "
    "arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip conj_physical copysign cos cosh cumprod "
    "cumsum deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmod "
    "frac gcd ge greater greater_equal gt heaviside hypot i0 igamma igammac index_add index_copy index_fill "
    "index_reduce lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not logical_or "
    "logical_xor logit lt masked_fill masked_scatter mul multiply mvlgamma nan_to_num ne neg negative nextafter "
    "not_equal polygamma pow rad2deg reciprocal relu remainder renorm round rsqrt scatter scatter_add "
    "scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square sub subtract tan tanh tril triu true_divide trunc "
    "xlogy"
)
_BECOMING = "as_strided squeeze swapaxes swapdims t transpose unsqueeze"


def _becoming(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the in-place form of what gives a view: the tensor itself gets the other sizes."""

    def changed(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return become_view(self, call, *args, **kwargs)

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f"Make the tensor what ``{call.__name__}`` gives."
    return changed


#: Functions composed of others that have PyTorch's ``out=``, as those that are ops have.
_OUT = (
    "add addcdiv addcmul bmm bucketize cat clamp clip concat concatenate diag div dot gather hstack index_select lerp "
    "masked_select max median min mm mv nan_to_num nonzero norm round searchsorted sort stack std sub subtract "
    "take_along_dim topk var vstack where"
)


def attach() -> None:
    """Make the in-place method of each method that there is, and the functions with ``out=``."""
    methods = vars(Tensor)
    for names, form in ((_IN_PLACE, in_place), (_BECOMING, _becoming)):
        for name in names.split():
            call = methods.get(name)
            if callable(call) and f"{name}_" not in methods:
                setattr(Tensor, f"{name}_", form(call, f"{name}_"))
    composed = _OUT.split()
    for name, call in FUNCTIONS.items():
        if name in composed or lacks_out(call):
            FUNCTIONS[name] = with_out(call)

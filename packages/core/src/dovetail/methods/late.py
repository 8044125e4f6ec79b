"""Methods and functions that few programs need: each is a name until it is first asked for, then imported.

A table says which module has them, so that ``import dovetail`` pays for a name and not for what is behind it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dovetail._parts import LATE
from dovetail.tensor import Tensor
from dovetail.writes import in_place

#: By module: what is both ``dovetail.name(x)`` and ``x.name()``; ``other=name`` is another name for it.
BOTH = {
    "ops.angles": """
        acos arccos=acos asin arcsin=asin sinh cosh asinh arcsinh=asinh acosh arccosh=acosh atanh arctanh=atanh
        atan2 arctan2=atan2 hypot sinc
    """,
    "ops.special": "lgamma digamma erfc erfinv exp2 logaddexp xlogy logit",
    "ops.parts": "angle",
    "methods.spectrum": "stft istft",
    "methods.complex_numbers": "conj",
    "methods.elementwise": """
        sgn frac deg2rad rad2deg positive logaddexp2 ldexp float_power clamp_min clamp_max nansum nanmean
    """,
    "methods.arrange": "fliplr flipud rot90 diag_embed diagflat",
    "methods.statistics": """
        aminmax cummax cummin logcumsumexp kthvalue mode nanmedian quantile nanquantile histc histogram msort
        unique_consecutive cov corrcoef renorm diff
    """,
    "methods.decompose": """
        det logdet slogdet=slogdet_at_top inverse=inv qr=qr_at_top svd=svd_at_top cholesky=cholesky_at_top pinverse
    """,
    "linalg": "matrix_power matrix_exp",
    "methods.products": "inner vdot ger kron addmm addmv addr addbmm baddbmm cross dist",
    "ops.whole": "fmod copysign signbit heaviside nextafter gcd lcm",
}
#: By module: what is a function of ``dovetail`` only.
FUNCTIONS_ONLY = {
    "methods.environment": """
        set_num_threads get_num_threads set_float32_matmul_precision get_float32_matmul_precision typename
        fill
    """,
    "methods.foreach": """
        _foreach_abs _foreach_add _foreach_addcdiv _foreach_addcmul _foreach_clamp_max _foreach_clamp_min
        _foreach_clone _foreach_copy _foreach_cos _foreach_div _foreach_erf _foreach_exp _foreach_floor _foreach_lerp
        _foreach_log _foreach_maximum _foreach_minimum _foreach_mul _foreach_neg _foreach_pow _foreach_reciprocal
        _foreach_round _foreach_rsqrt _foreach_sigmoid _foreach_sign _foreach_sin _foreach_sqrt _foreach_sub
        _foreach_tanh _foreach_trunc _foreach_zero _foreach_norm
    """,
    "ops.parts": "view_as_real view_as_complex",
    "methods.complex_numbers": "complex polar real imag",
    "methods.arrange": """
        broadcast_shapes broadcast_tensors atleast_1d atleast_2d atleast_3d column_stack dstack block_diag
        cartesian_prod combinations tril_indices triu_indices vander hann_window hamming_window blackman_window
        bartlett_window trapezoid trapz=trapezoid cumulative_trapezoid
    """,
    "methods.einsum": "einsum",
    "methods.statistics": "var_mean std_mean",
    "methods.elementwise": "polygamma",
    "methods.products": "tensordot chain_matmul cdist pdist cosine_similarity",
}
#: By module: what is a method only.
METHODS_ONLY = {
    "methods.environment": "apply_ map_ pin_memory is_pinned record_stream",
    "methods.elementwise": "polygamma=_polygamma_method",
}
#: What has an in-place form too.
IN_PLACE = """
    acos arccos asin arcsin sinh cosh asinh arcsinh acosh arccosh atanh arctanh atan2 arctan2 hypot sinc
    lgamma digamma erfc erfinv exp2 xlogy logit fmod copysign heaviside nextafter gcd lcm
    sgn frac deg2rad rad2deg ldexp float_power clamp_min clamp_max polygamma
    renorm addmm addmv addr addbmm baddbmm
"""


class LateMethod:
    """Stands for a method of Tensor until that is first asked for."""

    __slots__ = ("module", "name", "source")

    def __init__(self, name: str, module: str, source: str) -> None:
        self.name = name
        self.module = module
        self.source = source

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        home = import_module(f"dovetail.{self.module}")
        call = getattr(home, self.source, None)
        if call is None:
            call = in_place(getattr(home, self.source.removesuffix("_")))
        setattr(Tensor, self.name, call)
        return call if instance is None else call.__get__(instance, owner)


def _declare() -> None:
    wanted = set(IN_PLACE.split())
    for table, is_function, is_method in (
        (BOTH, True, True),
        (FUNCTIONS_ONLY, True, False),
        (METHODS_ONLY, False, True),
    ):
        for module, names in table.items():
            for entry in names.split():
                name, _, source = entry.partition("=")
                source = source or name
                if is_function:
                    LATE[name] = f"dovetail.{module}:{source}"
                    if name.startswith("_foreach_") and name != "_foreach_norm":
                        LATE[f"{name}_"] = f"dovetail.{module}:{source}_"
                if is_method:
                    setattr(Tensor, name, LateMethod(name, module, source))
                if name in wanted:
                    setattr(Tensor, f"{name}_", LateMethod(f"{name}_", module, f"{source}_"))


def _part(name: str, doc: str) -> property:
    def read(self: Tensor) -> Tensor:
        return getattr(import_module("dovetail.methods.complex_numbers"), name)(self)

    def write(self: Tensor, value: Any) -> None:
        read(self).copy_(value if isinstance(value, Tensor) else self.new_tensor(value).to(read(self)))

    return property(read, write, doc=doc)


_declare()
setattr(Tensor, "real", _part("real", "The real parts, on the same memory; a real tensor itself."))  # noqa: B010
setattr(Tensor, "imag", _part("imag", "The imaginary parts of complex numbers, on the same memory."))  # noqa: B010

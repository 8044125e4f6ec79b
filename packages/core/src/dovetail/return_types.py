"""Results with names: tuples whose parts are attributes too, as ``x.max(0).values``."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any


class Named(tuple):
    """A tuple of results that also have names."""

    __slots__ = ()
    fields: tuple[str, ...] = ()

    def __new__(cls, *parts: Any) -> Any:
        return tuple.__new__(cls, parts)

    def __repr__(self) -> str:
        shown = ",\n".join(f"{name}={part!r}" for name, part in zip(self.fields, self, strict=True))
        return f"dovetail.return_types.{type(self).__name__}(\n{shown})"

    def __reduce__(self) -> Any:
        return (type(self), tuple(self))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def _named(name: str, *fields: str) -> Any:
    parts: dict[str, Any] = {field: property(itemgetter(place)) for place, field in enumerate(fields)}
    return type(name, (Named,), {"__slots__": (), "__module__": __name__, "fields": fields, **parts})


max, min, sort, topk, median, nanmedian, mode, kthvalue, cummax, cummin = (
    _named(name, "values", "indices")
    for name in ("max", "min", "sort", "topk", "median", "nanmedian", "mode", "kthvalue", "cummax", "cummin")
)
aminmax = _named("aminmax", "min", "max")
histogram = _named("histogram", "hist", "bin_edges")
qr = _named("qr", "Q", "R")
svd = _named("svd", "U", "S", "V")
slogdet = _named("slogdet", "sign", "logabsdet")
linalg_qr = _named("linalg_qr", "Q", "R")
linalg_svd = _named("linalg_svd", "U", "S", "Vh")
linalg_slogdet = _named("linalg_slogdet", "sign", "logabsdet")
linalg_eigh = _named("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_eig = _named("linalg_eig", "eigenvalues", "eigenvectors")
linalg_lstsq = _named("linalg_lstsq", "solution", "residuals", "rank", "singular_values")

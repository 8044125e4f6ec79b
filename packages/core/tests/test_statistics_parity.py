"""Order statistics, frequencies, correlation and running reductions against PyTorch."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import dovetail

pytestmark = pytest.mark.parity


def numbers(*shape, seed=0, dtype="float64"):
    return np.asarray(np.random.default_rng(seed).permutation(int(np.prod(shape))) / 3 - 1).reshape(shape).astype(dtype)


def repeated(*shape, dtype="int64", seed=0):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(dtype)


WITH_NAN = np.array([[1.0, np.nan, 3.0, 2.0], [np.nan, np.nan, np.nan, np.nan], [4.0, 1.0, 0.5, np.nan]])

ONE = {
    "var_mean": lambda lib, x: (lib.var_mean(x), lib.var_mean(x, 1), lib.var_mean(x, dim=0, keepdim=True)),
    "std_mean": lambda lib, x: (lib.std_mean(x, False), lib.std_mean(x, 1, correction=0), lib.std_mean(x, (0, 1))),
    "aminmax": lambda lib, x: (x.aminmax(), lib.aminmax(x, dim=1), x.aminmax(dim=0, keepdim=True)),
    "cummax": lambda lib, x: (x.cummax(0), lib.cummax(x, dim=-1)),
    "cummin": lambda lib, x: (x.cummin(0), lib.cummin(x, dim=-1)),
    "logcumsumexp": lambda lib, x: (x.logcumsumexp(0), lib.logcumsumexp(x, dim=-1)),
    "kthvalue": lambda lib, x: (x.kthvalue(2), lib.kthvalue(x, 1, dim=0, keepdim=True)),
    "mode": lambda lib, x: (x.mode(), lib.mode(x, 0, keepdim=True)),
    "nanmedian": lambda lib, x: (x.nanmedian(), lib.nanmedian(x, 1), x.nanmedian(dim=0, keepdim=True)),
    "msort": lambda lib, x: (x.msort(), lib.msort(x)),
    "diff": lambda lib, x: (x.diff(), lib.diff(x, n=2, dim=0), x.diff(prepend=x[:, :1], append=x[:, :2])),
    "quantile": lambda lib, x: (x.quantile(0.3), lib.quantile(x, 0.5, dim=1), x.quantile(0.7, 0, keepdim=True)),
    "quantile of all, kept": lambda lib, x: x.quantile(0.25, keepdim=True),
    "nanquantile": lambda lib, x: (x.nanquantile(0.3), lib.nanquantile(x, 0.5, dim=1, keepdim=True)),
    "cov": lambda lib, x: (x.cov(), lib.cov(x, correction=0), x[0].cov()),
    "corrcoef": lambda lib, x: (x.corrcoef(), lib.corrcoef(x[0])),
    "renorm": lambda lib, x: (x.renorm(2, 0, 1.0), lib.renorm(x, 1, 1, 0.5), lib.renorm(x, p=3, dim=-1, maxnorm=9.0)),
    "nansum": lambda lib, x: (x.nansum(), lib.nansum(x, 1), x.nansum(dim=(0, 1), keepdim=True)),
    "nanmean": lambda lib, x: (x.nanmean(), lib.nanmean(x, 1), x.nanmean(dim=0, keepdim=True)),
    "histc": lambda lib, x: (x.detach().histc(4), lib.histc(x.detach(), bins=3, min=-0.5, max=1)),
    "histogram": lambda lib, x: (x.detach().histogram(4), lib.histogram(x.detach(), 3, range=(0.0, 1.0), density=True)),
    "names": lambda lib, x: (x.max(1).values, x.sort(0).indices, x.aminmax().min, x.topk(1).values, x.mode(0)[0]),
    "max": lambda lib, x: (x.max(1), lib.max(x, dim=0, keepdim=True), lib.max(x, x.flip(0)), lib.min(x, other=x * 2)),
}


@pytest.mark.parametrize("name", ONE)
def test_statistics(compare, name):
    compare(ONE[name], numbers(3, 4))
    compare(ONE[name], numbers(3, 4), layout="permuted")
    if name != "nanmedian":  # which of equal elements is the one differs in PyTorch itself
        compare(ONE[name], numbers(3, 4, dtype="float32"), gradients=False)


@pytest.mark.parametrize("name", ["cummax", "cummin", "mode", "msort", "diff", "aminmax", "nansum", "max"])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_statistics_with_equal_elements(compare, name, dtype):
    if name != "max":  # which index of equal ones is told, but not promised
        compare(ONE[name], repeated(4, 5, dtype=dtype), gradients=False)
    compare(lambda lib, x: ONE[name](lib, x)[0], repeated(6, 3, dtype=dtype, seed=1), gradients=False)


@pytest.mark.parametrize(
    "name", ["cummax", "cummin", "logcumsumexp", "nanquantile", "quantile", "nansum", "nanmean", "aminmax"]
)
def test_statistics_with_nan(compare, name):
    gradients = name in ("nansum", "cummax")
    compare(ONE[name], WITH_NAN, gradients=gradients)
    compare(lambda lib, x: x.nanmedian(1).values, WITH_NAN, gradients=False)
    compare(ONE[name], np.where(np.isnan(WITH_NAN), -np.inf, WITH_NAN), gradients=False)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_several_quantiles(compare, interpolation):
    for x in (numbers(3, 4), WITH_NAN, numbers(7, 2)):
        compare(
            lambda lib, x: lib.quantile(
                x, lib.tensor([0.0, 0.25, 0.4, 1.0], dtype=x.dtype), dim=0, interpolation=interpolation
            ),
            x,
            gradients=not np.isnan(x).any(),
        )
        compare(
            lambda lib, x: x.nanquantile(
                lib.tensor([0.1, 0.6], dtype=x.dtype), dim=-1, keepdim=True, interpolation=interpolation
            ),
            x,
            gradients=False,
        )
    compare(lambda lib, x: x.quantile(lib.tensor([0.5, 0.2], dtype=x.dtype)), numbers(3, 4))


def test_scalars(compare):
    for name in ("cummax", "cummin", "logcumsumexp"):
        compare(lambda lib, x, name=name: getattr(x, name)(0), np.array(2.0))
    compare(lambda lib, x: (x.kthvalue(1), x.mode(), x.nanmedian(0), x.quantile(0.5), x.aminmax()), np.array(2.0))


@pytest.mark.parametrize(
    "name", ["mean", "sum", "var", "std", "amax", "amin", "nansum", "nanmean", "norm", "all", "any"]
)
def test_dimensions_of_a_number(compare, name):
    for dim in (0, -1, (0,), [-1], 1, (-2,)):
        compare(lambda lib, x, dim=dim: getattr(x, name)(dim=dim), np.array(2.0))


def test_unusual_numbers(compare):
    for values in ([np.nan, 1.0, 2.0], [np.inf, 1.0, -np.inf], [-np.inf, -np.inf, 1.0], [np.nan, np.nan]):
        x = np.array(values)
        compare(
            lambda lib, x: (x.median(), x.median(0).values, x.quantile(0.4), x.nanquantile(0.2)), x, gradients=False
        )
    for dtype in ("float32", "int64", "uint8"):
        compare(lambda lib, x: (x.median(), x.nanmedian()), np.zeros((0, 2), dtype), gradients=False)


def test_weighted_covariance(compare):
    compare(lambda lib, x: x.cov(fweights=lib.tensor([1, 2, 1, 0])), numbers(3, 4))
    compare(lambda lib, x, w: x.cov(aweights=w.abs(), correction=1), numbers(3, 4), numbers(4))
    compare(lambda lib, x, w: x.cov(fweights=lib.tensor([1, 2, 1, 3]), aweights=w.abs()), numbers(3, 4), numbers(4))
    compare(lambda lib, x: x.cov(), repeated(2, 5))


UNIQUE = [{}, {"return_inverse": True}, {"return_counts": True}, {"return_inverse": True, "return_counts": True}]


@pytest.mark.parametrize("options", UNIQUE)
@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_unique(compare, options, name):
    for x in (repeated(7), repeated(3, 4), repeated(0), repeated(5, dtype="float32"), np.array(3)):
        compare(lambda lib, x: getattr(x, name)(**options), x, gradients=False)
        compare(lambda lib, x: getattr(lib, name)(x, **options), x, gradients=False)
    for dim in (0, 1, -1):
        rows = np.array([[1, 2, 1], [1, 2, 1], [0, 2, 0], [1, 2, 1]])
        compare(lambda lib, x, dim=dim: getattr(x, name)(dim=dim, **options), rows)
    compare(lambda lib, x: x.unique(**options), np.array([np.nan, 1.0, np.nan]), gradients=False)


def test_counting(compare):
    compare(lambda lib, x: (x.bincount(), lib.bincount(x, minlength=9)), repeated(7))
    compare(lambda lib, x, w: x.bincount(w), repeated(7), numbers(7), gradients=False)
    compare(lambda lib, x: (x.bincount(), x.bincount(minlength=2)), repeated(0))
    compare(lambda lib, x, w: lib.histogram(x, w[:0].new_tensor([0.0, 0.5, 2.0]), weight=w), numbers(9), numbers(9),
            gradients=False)  # fmt: skip
    compare(lambda lib, x: lib.histogram(x, 3), np.zeros(4), gradients=False)
    compare(lambda lib, x: x.histc(3), np.zeros(4), gradients=False)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=80)
@hypothesis.given(strategies.lists(strategies.sampled_from([0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]), min_size=1))
def test_running_extremes_of_anything(compare, values):
    compare(lambda lib, x: (x.cummax(0), x.cummin(0)), np.array(values), gradients=False)
    compare(lambda lib, x: x.logcumsumexp(0), np.array(values), gradients=False)


def test_second_derivatives():
    from dovetail.testing import gradgradcheck

    x = dovetail.tensor(numbers(3, 4), requires_grad=True)
    for call in (dovetail.corrcoef, dovetail.cov, lambda x: x.cummax(0)[0] ** 2, lambda x: x.quantile(0.3, 0) ** 2):
        assert gradgradcheck(call, (x,))


REFUSED = [
    (lambda lib, x: x.kthvalue(9), "kthvalue: k is 9, but dimension -1 has 4 elements"),
    (lambda lib, x: x.kthvalue(0), "kthvalue: k is 0"),
    (lambda lib, x: x.long().quantile(0.5), "quantile: takes float32 or float64, got dovetail.int64"),
    (lambda lib, x: x.quantile(1.5), r"quantile: q must be from 0 to 1, got 1.5"),
    (lambda lib, x: x.quantile(0.5, interpolation="up"), "interpolation is one of linear, lower"),
    (lambda lib, x: x.quantile(lib.ones(2)), "quantile: q must have the tensor's dtype, dovetail.float64"),
    (lambda lib, x: x[:0].quantile(0.5), "quantile: needs at least one element"),
    (lambda lib, x: x[:0].unique(dim=1), "unique: slices along dimension 1 of sizes"),
    (lambda lib, x: x[:0].unique_consecutive(dim=1), "unique_consecutive: slices of sizes"),
    (lambda lib, x: x[:, :0].quantile(0.5, 0), "quantile: needs at least one element"),
    (lambda lib, x: x.logcumsumexp(2), "out of range"),
    (lambda lib, x: x.norm(dim=2), "norm: dimension out of range"),
    (lambda lib, x: x[:, :0].mode(), "mode: needs at least one element along dimension -1"),
    (lambda lib, x: x.long().histc(3), "histc: takes floating point, got dovetail.int64"),
    (lambda lib, x: x.histc(0), "histc: bins must be 1 or more, got 0"),
    (lambda lib, x: x.histc(3, min=2, max=1), "histc: the range must be finite and not empty"),
    (lambda lib, x: x.unsqueeze(0).cov(), "cov: takes a matrix or a vector"),
    (lambda lib, x: x.cov(fweights=lib.tensor([1, 2])), "cov: fweights must be one for each of 4 observations"),
    (lambda lib, x: x.cov(fweights=lib.ones(4)), "cov: fweights must be integers, got dovetail.float32"),
    (lambda lib, x: x.cov(aweights=-lib.ones(4)), "cov: aweights must not be negative"),
    (lambda lib, x: x[0].renorm(2, 0, 1.0), "renorm: takes a tensor of at least 2 dimensions"),
    (lambda lib, x: x.renorm(0, 0, 1.0), "renorm: p must be above 0"),
    (lambda lib, x: x[0, 0].diff(), "diff: takes a tensor of at least one dimension"),
    (lambda lib, x: lib.tensor([-1]).bincount(), "bincount: the integers and minlength must be 0 or more"),
    (lambda lib, x: lib.tensor([1]).bincount(minlength=-1), "bincount: the integers and minlength must be 0 or more"),
    (lambda lib, x: lib.tensor([1]).bincount(x[0]), "bincount: weights must be one for each of 1 integers"),
    (lambda lib, x: x.cummax(2), "out of range"),
    (lambda lib, x: x.long().logcumsumexp(0), "logcumsumexp: takes floating point"),
    (lambda lib, x: x.long().nanmean(), "nanmean: takes floating point or complex"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_errors_in_both(compare, call, says):
    error = compare(call, numbers(3, 4), gradients=False)
    with pytest.raises((RuntimeError, ValueError, IndexError), match=says):
        raise error


def test_results_with_names(compare):
    found = dovetail.tensor([3, 1, 2]).sort()
    assert repr(found) == ("dovetail.return_types.sort(\nvalues=tensor([1, 2, 3]),\nindices=tensor([1, 2, 0]))")
    values, indices = found
    assert values is found.values
    assert indices is found[1]

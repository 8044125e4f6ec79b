"""Every in-place method and ``out=`` against PyTorch: numbers, dtypes, gradients, versions and what is refused."""

import re
import warnings

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity

UNARY = """
    abs absolute ceil clip cos erf exp expm1 floor log log10 log1p log2 logical_not neg negative nan_to_num reciprocal
    relu round rsqrt sigmoid sign sin sqrt square tan tanh tril triu trunc atan
"""
BINARY = """
    add sub subtract mul multiply div divide true_divide pow remainder floor_divide eq ne lt le gt ge greater less
    not_equal logical_and logical_or logical_xor maximum
"""
DIFFERENTIABLE = {"add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide"}
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor"]
WITH_OPTIONS = {
    "clamp": lambda x: x.clamp_(1, 3),
    "clamp_max": lambda x: x.clamp_(max=2),
    "clip": lambda x: x.clip_(min=2),
    "cumsum": lambda x: x.cumsum_(0),
    "cumprod": lambda x: x.cumprod_(1),
    "alpha": lambda x: x.add_(x.detach() * 2, alpha=3),
    "addcdiv": lambda x: x.addcdiv_(x.detach(), x.detach() + 1, value=0.5),
    "lerp": lambda x: x.lerp_(x.detach() * 2, 0.5),
    "masked_fill": lambda x: x.masked_fill_(x.detach() > 2, 0),
    "index_add": lambda x: x.index_add_(0, (x.detach()[:1, 0] * 0).long(), x.detach()[:1]),
    "scatter": lambda x: x.scatter_(1, (x.detach()[:, :1] * 0).long(), 5.0),
    "tril": lambda x: x.tril_(-1),
    "float": lambda x: x.mul_(1.5),
    "integer": lambda x: x.add_(2),
    "power": lambda x: x.pow_(3),
    "reversed": lambda x: x.t_().mul_(2),
    "transposed": lambda x: x.transpose_(0, 1).add_(1),
    "with itself": lambda x: x.mul_(x),
}
DTYPES = ["float64", "float32", "int64", "uint8", "bool"]


def there(name):
    return hasattr(dovetail.Tensor, f"{name}_")


def numbers(dtype):
    array = np.arange(6.0).reshape(2, 3) * 0.5 + 1
    return array.astype(dtype)


def write(name, *others):
    """Return a call of an in-place method, on a copy of what needs a gradient."""
    return lambda lib, x, *y: getattr(x * 1 if x.requires_grad else x, f"{name}_")(*others, *y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY.split())
def test_unary(compare, name, dtype):
    if (
        not there(name)
        or (dtype == "bool" and name in ("sign", "square"))
        or (name == "nan_to_num" and dtype[0] != "f")
    ):
        pytest.skip("there is no such method, or it differs on purpose")
    others = (1,) if name == "clip" else ()
    compare(write(name, *others), numbers(dtype), gradients=name not in ("logical_not", "nan_to_num"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY.split())
def test_binary(compare, name, dtype):
    if not there(name) or (dtype == "bool" and name in ("floor_divide", "remainder", "pow", "sub", "subtract")):
        pytest.skip("there is no such method, or booleans are numbers here")
    for other in (2, 1.5, True, numbers(dtype), numbers("float32")[:1], numbers("int64")[0]):
        if isinstance(other, np.ndarray) or not (name.startswith("logical") or (other is True and "sub" in name)):
            compare(write(name), numbers(dtype), other, gradients=name in DIFFERENTIABLE)


@pytest.mark.parametrize("name", BITS)
def test_bits(compare, name):
    for dtype in ("int64", "uint8", "bool", "float32"):
        for other in (1, True, numbers(dtype), 1.5):
            compare(lambda lib, x, y: getattr(x, f"{name}_")(y), numbers(dtype), other, gradients=False)


@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_with_options(compare, name):
    for layout in ("plain", "permuted"):
        compare(
            lambda lib, x: [y := x * 1, WITH_OPTIONS[name](y), y * 2, y._version], numbers("float64"), layout=layout
        )


# What is refused

REFUSED = {
    "int plus float": lambda lib: lib.ones(2, dtype=lib.int64).add_(1.5),
    "bool plus int": lambda lib: lib.ones(2, dtype=lib.bool).add_(1),
    "int by int": lambda lib: lib.ones(2, dtype=lib.int64).div_(2),
    "exp of int": lambda lib: lib.ones(2, dtype=lib.int64).exp_(),
    "larger operand": lambda lib: lib.ones(3).add_(lib.ones(2, 3)),
    "wider operand": lambda lib: lib.ones(1, 3).add_(lib.ones(2, 3)),
    "other sizes": lambda lib: lib.ones(4, 3).add_(lib.ones(2, 3)),
    "0-d": lambda lib: lib.ones(()).add_(lib.ones(1)),
    "copy of more": lambda lib: lib.ones(3).copy_(lib.ones(2, 3)),
    "copy of 1 more": lambda lib: lib.ones(3).copy_(lib.ones(1, 3)),
    "fill of several": lambda lib: lib.ones(3).fill_(lib.ones(1)),
    "expanded add_": lambda lib: lib.ones(3).expand(2, 3).add_(1),
    "expanded exp_": lambda lib: lib.ones(3).expand(2, 3).exp_(),
    "expanded copy_": lambda lib: lib.ones(3).expand(2, 3).copy_(lib.ones(2, 3)),
    "expanded cumsum_": lambda lib: lib.ones(3).expand(2, 3).cumsum_(0),
    "expanded normal_": lambda lib: lib.ones(3).expand(2, 3).normal_(),
    "expanded, detached": lambda lib: lib.ones(3).expand(2, 3).detach().mul_(2),
    "expanded fill_ by a tensor": lambda lib: lib.ones(3).expand(2, 3).fill_(lib.ones(())),
    "shifted": lambda lib: (x := lib.arange(5.0))[1:].add_(x[:-1]),
    "shifted copy_": lambda lib: (x := lib.arange(5.0))[1:].copy_(x[:-1]),
    "shifted item": lambda lib: (x := lib.arange(5.0)).__setitem__(slice(1, None), x[:-1]),
    "transposed": lambda lib: (x := lib.ones(3, 3)).add_(x.t()),
    "own row": lambda lib: (x := lib.ones(3, 3)).mul_(x[0]),
    "leaf": lambda lib: lib.ones(3, requires_grad=True).add_(1),
    "leaf fill_": lambda lib: lib.ones(3, requires_grad=True).fill_(1),
    "leaf t_": lambda lib: lib.ones(3, 3, requires_grad=True).t_(),
    "leaf set_": lambda lib: lib.ones(3, 3, requires_grad=True).set_(lib.ones(1)),
    "view of a leaf": lambda lib: lib.ones(3, requires_grad=True)[0].add_(1),
    "view of a leaf t_": lambda lib: lib.ones(3, 3, requires_grad=True)[:2].t_(),
    "unbind": lambda lib: (lib.ones(3, 3, requires_grad=True) * 1).unbind()[0].mul_(2),
    "split": lambda lib: (lib.ones(3, 3, requires_grad=True) * 1).split(1)[0].mul_(2),
    "view of chunk": lambda lib: (lib.ones(3, 3, requires_grad=True) * 1).chunk(2)[0][0].mul_(2),
    "unbind, recorded operand": lambda lib: lib.ones(3, 3).unbind()[0].mul_(lib.ones(3, requires_grad=True)),
}
ALLOWED = {
    "expanded fill_": lambda lib: lib.ones(3).expand(2, 3).fill_(2),
    "expanded zero_": lambda lib: lib.ones(3).expand(2, 3).zero_(),
    "expanded item": lambda lib: (x := lib.ones(3).expand(2, 3)).__setitem__(0, 5) or x,
    "expanded 1": lambda lib: lib.ones(3)[:1].expand(1, 1).add_(1),
    "itself": lambda lib: [x := lib.arange(5.0), x.add_(x), x.copy_(x)],
    "tensor_split": lambda lib: (lib.ones(3, 3, requires_grad=True) * 1).tensor_split(2)[0].mul_(2),
    "unbind, nothing recorded": lambda lib: lib.ones(3, 3).unbind()[0].mul_(2),
    "truncated": lambda lib: lib.ones(3, dtype=lib.int32).fill_(1.5),
    "comparison": lambda lib: lib.ones(3).eq_(1),
    "augmented": lambda lib: lib.ones(2).__iadd__(lib.ones(2, dtype=lib.float64)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(compare, name):
    assert compare(lambda lib: REFUSED[name](lib)) is not None


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(compare, name):
    assert compare(lambda lib: ALLOWED[name](lib)) is None


def _no_grad_view(lib, base, inside, outside):
    with lib.no_grad():
        view = base[:2]
        inside(base, view)
    outside(base, view)
    return (view * 2).sum() + base.sum()


NO_GRAD = {
    "nothing": (lambda base, view: None, lambda base, view: None),
    "view written inside": (lambda base, view: view.mul_(2), lambda base, view: None),
    "view written outside": (lambda base, view: None, lambda base, view: view.mul_(2)),
    "base written outside": (lambda base, view: None, lambda base, view: base.mul_(2)),
}


@pytest.mark.parametrize("name", NO_GRAD)
def test_views_made_under_no_grad(compare, name):
    compare(lambda lib, x: _no_grad_view(lib, x * 1, *NO_GRAD[name]), np.arange(3.0))


# A saved tensor that was written to, by whatever way

WAYS = {
    "itself": lambda x: x.add_(1),
    "at once": lambda x: x.mul_(2.0),
    "fill": lambda x: x.fill_(1),
    "zero": lambda x: x.zero_(),
    "copy": lambda x: x.copy_(x.detach() + 1),
    "item": lambda x: x.__setitem__(0, 1),
    "mask": lambda x: x.__setitem__(x.detach() > 0, 1),
    "view": lambda x: x[0].add_(1),
    "view of a view": lambda x: x[:2].t()[0].add_(1),
    "detached": lambda x: x.detach().add_(1),
    "view of detached": lambda x: x.detach()[0].add_(1),
    "base": lambda x: x._base.add_(1),
    "other view": lambda x: x._base[0].exp_(),
    "random": lambda x: x.detach().normal_(),
    "sizes": lambda x: x.t_(),
    "bits": lambda x: x.detach().view(dovetail.int64 if isinstance(x, dovetail.Tensor) else _torch().int64).zero_(),
    "index_add": lambda x: x.index_add_(0, (x.detach()[:1, 0] * 0).long(), x.detach()[:1]),
    "data": lambda x: x.data.add_(1),
    "numpy": lambda x: np.add(x.detach().numpy(), 1, out=x.detach().numpy()),
    "another": lambda x: (x * 1).add_(1),
}


def _torch():
    import torch

    return torch


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("op", [lambda x: x * x, lambda x: x.exp(), lambda x: x.tanh() * 1, lambda x: x + 1])
def test_saved_tensors_that_were_written_to(compare, way, op):
    def call(lib, x):
        kept = (x * 1).view(x.shape)
        out = op(kept)
        WAYS[way](kept)
        return out.sum()

    compare(call, np.linspace(-1, 1, 9).reshape(3, 3))


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"base", "other view"}))
def test_saved_results_that_were_written_to(compare, way):
    def call(lib, x):
        out = (x * 1).exp_() if way != "another" else x.exp()
        kept = out * 1
        WAYS[way](out)
        return kept.sum()

    compare(call, np.linspace(-1, 1, 9).reshape(3, 3))


# ``out=``

OUT = {
    "add": lambda lib, x, out: lib.add(x, 1, out=out),
    "alpha": lambda lib, x, out: lib.add(x, x, alpha=2, out=out),
    "exp": lambda lib, x, out: lib.exp(x, out=out),
    "mul": lambda lib, x, out: lib.mul(x, x, out=out),
    "sum": lambda lib, x, out: lib.sum(x, 0, out=out),
    "matmul": lambda lib, x, out: lib.matmul(x, x.t(), out=out),
    "mm": lambda lib, x, out: lib.mm(x, x.t(), out=out),
    "clamp": lambda lib, x, out: lib.clamp(x, 1, 2, out=out),
    "cat": lambda lib, x, out: lib.cat([x, x], out=out),
    "stack": lambda lib, x, out: lib.stack((x, x), 1, out=out),
    "where": lambda lib, x, out: lib.where(x > 1, x, x * 2, out=out),
    "gt": lambda lib, x, out: lib.gt(x, 2, out=out),
}


@pytest.mark.parametrize("name", OUT)
def test_out(compare, name):
    exact = name in ("matmul", "mm", "clamp", "where")  # PyTorch takes no other dtype there
    for dtype in ("float64",) if exact else ("float64", "float32", "int64", "bool"):
        for sizes in ((0,), (2, 3), (4,)):

            def call(lib, x, dtype=dtype, sizes=sizes):
                out = lib.ones(sizes, dtype=getattr(lib, dtype))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert OUT[name](lib, x, out) is out
                return out

            compare(call, numbers("float64"), gradients=False)


OUT_ERRORS = {
    "don't support automatic differentiation.*requires grad": lambda lib, x: lib.add(x, 1, out=lib.ones(3)),
    "(?s)more than one element of the written-to": lambda lib, x: lib.add(x.detach(), 1, out=lib.ones(1).expand(3)),
    "result type .* can't be cast to the desired output type": lambda lib, x: lib.exp(
        x.detach(), out=lib.ones(3, dtype=lib.int32)
    ),
}


@pytest.mark.parametrize("text", OUT_ERRORS)
def test_out_errors(compare, text):
    for lib in (compare.torch, dovetail):
        with pytest.raises(RuntimeError) as error:
            OUT_ERRORS[text](lib, lib.ones(3, requires_grad=True))
        assert re.search(text, str(error.value))


def test_out_of_other_sizes_warns(compare):
    for lib in (compare.torch, dovetail):
        out = lib.ones(3)
        with pytest.warns(UserWarning, match=r"was resized since it had shape \[3\], which does not match"):
            lib.add(lib.ones(2), 1, out=out)
        assert out.tolist() == [2, 2]


def test_several_results_out(compare):
    def call(lib, x):
        out = (lib.empty(0), lib.empty(0, dtype=lib.int64))
        found = lib.max(x, 1, out=out)
        return [found.values is out[0], found.indices is out[1], *out]

    compare(call, numbers("float32"), gradients=False)


#: What a total over all elements gives is a mere number to NumPy, which cannot be written to.
OF_A_TOTAL = {
    "add_": lambda lib, x: x.add_(1),
    "add_ itself": lambda lib, x: x.add_(x),
    "div_ by a tensor": lambda lib, x: x.div_(lib.tensor(2.0)),
    "mul_ by more": lambda lib, x: x.mul_(lib.ones(3)),
    "exp_": lambda lib, x: x.exp_(),
    "through a dtype": lambda lib, x: x.view(lib.int32).fill_(0),
    "set_": lambda lib, x: lib.zeros(()).set_(x).add_(1),
    "storage": lambda lib, x: (x.untyped_storage().data_ptr() == x.data_ptr(), x.add_(1))[0],
    "scatter_": lambda lib, x: x.scatter_(0, lib.tensor(0), 5.0),
    "masked_fill_": lambda lib, x: x.masked_fill_(lib.tensor(True), 5.0),
    "x[...] = ": lambda lib, x: x.__setitem__(..., 5.0),
}


@pytest.mark.parametrize("name", OF_A_TOTAL)
def test_writes_to_a_total(name, compare):
    def call(lib):
        total = lib.ones(3).sum()
        return OF_A_TOTAL[name](lib, total), total

    compare(call)

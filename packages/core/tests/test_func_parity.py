"""dovetail.func beside torch.func: programs that nest transforms, tree by tree, with what each refuses."""

import warnings

import numpy as np
import pytest

import dovetail

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

_draw = np.random.default_rng(0)
X, W, V = _draw.normal(size=(5, 4)), _draw.normal(size=(3, 4)), _draw.normal(size=4)
B, A = _draw.normal(size=3), _draw.normal(size=(4, 3, 4))
PLACES, M = _draw.integers(0, 4, size=(5, 2)), X > 0
Z = np.where(X > 0.8, 0, X)


class Given:
    """One library's transforms, and the numbers as its tensors."""

    def __init__(self, lib):
        self.lib = lib
        for name in ("vmap", "grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "linearize"):
            setattr(self, name, getattr(lib.func, name))
        for name, array in {"X": X, "W": W, "V": V, "B": B, "A": A, "I": PLACES, "M": M, "Z": Z}.items():
            setattr(self, name, lib.tensor(array))

    def layer(self, x):
        return self.lib.tanh(self.W @ x)

    def pair(self, w, x):
        return self.lib.tanh(w @ x)

    def energy(self, w, x):
        return (self.pair(w, x) ** 2).sum()

    def quiet(self, call):
        with self.lib.no_grad():
            return call()


def written(y, index, value):
    y[index] = value
    return y


def plain(value):
    """Return a result with each tensor as its dtype, whether it needs a gradient, and numbers."""
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if hasattr(value, "detach"):
        return str(value.dtype).split(".")[1], value.requires_grad, value.detach().numpy()
    return value


def same(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        same(list(ours.values()), list(theirs.values()))
    elif isinstance(theirs, tuple):
        assert ours[:2] == theirs[:2]
        assert ours[2].shape == theirs[2].shape
        np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-6, atol=1e-9)
    else:
        assert ours == theirs


def both(program):
    found = []
    for lib in (dovetail, torch):
        lib.manual_seed(0)
        with warnings.catch_warnings():
            if lib is torch:
                warnings.simplefilter("ignore")
            found.append(plain(program(Given(lib))))
    same(*found)


PROGRAMS = {
    # derivatives
    "jacrev": lambda t: t.jacrev(t.layer)(t.V),
    "jacfwd": lambda t: t.jacfwd(t.layer)(t.V),
    "jacrev of jacrev": lambda t: t.jacrev(t.jacrev(t.layer))(t.V),
    "jacfwd of jacfwd": lambda t: t.jacfwd(t.jacfwd(t.layer))(t.V),
    "jacrev of jacfwd": lambda t: t.jacrev(t.jacfwd(t.layer))(t.V),
    "three jacobians": lambda t: t.jacrev(t.jacfwd(t.jacrev(lambda x: t.layer(x).sum())))(t.V),
    "hessian": lambda t: t.hessian(t.energy, argnums=(0, 1))(t.W, t.V),
    "hessian inside vmap": lambda t: t.vmap(t.hessian(lambda x: t.layer(x).sum()))(t.X),
    "jacrev inside vmap": lambda t: t.vmap(t.jacrev(t.pair, argnums=(0, 1)), (None, 0))(t.W, t.X),
    "jacfwd inside vmap": lambda t: t.vmap(t.jacfwd(t.pair, argnums=(0, 1)), (None, 0))(t.W, t.X),
    "per-sample gradients": lambda t: t.vmap(t.grad(t.energy), (None, 0))(t.W, t.X),
    "grad of vmap": lambda t: t.grad(lambda w: t.vmap(t.energy, (None, 0))(w, t.X).sum())(t.W),
    "grad of vmap of grad": lambda t: t.grad(
        lambda w: (t.vmap(t.grad(t.energy), (None, 0))(w, t.X) ** 2).sum()
    )(t.W),
    "vmap of grad of vmap of grad": lambda t: t.vmap(
        t.grad(lambda w, y: (t.vmap(t.grad(t.energy), (None, 0))(w, t.X * y) ** 2).sum()), (None, 0)
    )(t.W, t.B),
    "vmap of vmap": lambda t: t.vmap(lambda x: t.vmap(lambda y: (x * y).sum())(t.X))(t.X),
    "vmap over one sample's parts": lambda t: t.vmap(lambda x: t.vmap(lambda y: y * x.sum())(x))(t.X),
    "three gradients": lambda t: t.grad(t.grad(t.grad(lambda x: x**4)))(t.lib.tensor(2.0)),
    "jvp of grad": lambda t: t.jvp(t.grad(lambda x: t.energy(t.W, x)), (t.V,), (t.V,)),
    "jvp of many tangents": lambda t: t.vmap(lambda v: t.jvp(t.layer, (t.V,), (v,)))(t.X),
    "jvp, aux": lambda t: t.jvp(lambda x: (t.layer(x), x * 2), (t.V,), (t.V,), has_aux=True),
    "jvp of two": lambda t: t.jvp(t.pair, (t.W, t.V), (t.W * 2, t.V)),
    "jvp of a constant": lambda t: t.jvp(lambda x: t.lib.ones(2), (t.V,), (t.V,)),
    "vjp": lambda t: t.vjp(t.pair, t.W, t.V)[1](t.B),
    "vjp of trees": lambda t: t.vjp(lambda d: {"o": d["a"] * 2, "p": [d["b"].sum()]}, {"a": t.V, "b": t.B})[1](
        {"o": t.V, "p": [t.V[0]]}
    ),
    "vjp, aux": lambda t: (lambda out, pull, aux: (out, pull(out), aux))(
        *t.vjp(lambda x: (t.layer(x), x * 2), t.V, has_aux=True)
    ),
    "vmap of a vjp": lambda t: t.vmap(t.vjp(t.layer, t.V)[1])(t.lib.eye(3, dtype=t.lib.float64)),
    "grad, aux": lambda t: t.grad(lambda x: (t.layer(x).sum(), {"a": x * 2}), has_aux=True)(t.V),
    "value and gradient": lambda t: t.grad_and_value(lambda x: (t.layer(x).sum(), x * 2), has_aux=True)(t.V),
    "value and gradient inside vmap": lambda t: t.vmap(t.grad_and_value(t.energy), (None, 0))(t.W, t.X),
    "linearize": lambda t: t.linearize(t.layer, t.V)[1](t.V),
    "argnums in another order": lambda t: t.grad(t.energy, argnums=(1, 0))(t.W, t.V),
    "argnums from the end": lambda t: t.grad(t.energy, argnums=-1)(t.W, t.V),
    "gradient of a tree": lambda t: t.grad(lambda p: (p["w"] @ p["v"]).sum())({"w": t.W, "v": t.V}),
    "no dependence": lambda t: t.grad(lambda x: t.lib.ones(()))(t.V),
    "jacobian of a number": lambda t: t.jacrev(lambda x: x**2)(t.lib.tensor(3.0)),
    "hessian of a number": lambda t: t.hessian(lambda x: x**3)(t.lib.tensor(3.0)),
    "jacobian of nothing": lambda t: (t.jacrev(lambda x: x[:0])(t.V), t.jacfwd(lambda x: x[:0])(t.V)),
    "jacobian of a constant": lambda t: (
        t.jacrev(lambda x: t.lib.ones(2))(t.V), t.jacfwd(lambda x: t.lib.ones(2))(t.V),
    ),
    "jacobian, aux": lambda t: (
        t.jacrev(lambda x: (x**2, x), has_aux=True)(t.V), t.jacfwd(lambda x: (x**2, x), has_aux=True)(t.V),
    ),
    "jacobian in chunks": lambda t: t.jacrev(lambda x: x**2, chunk_size=3)(t.V),
    "jacobian of trees": lambda t: [
        jacobian(lambda d: {"o": d["a"] * d["b"], "p": [d["a"].sum()]})({"a": t.V, "b": t.V})
        for jacobian in (t.jacrev, t.jacfwd)
    ],
    # what is recorded where
    "detach": lambda t: t.grad(lambda w: t.vmap(lambda x: ((x * w).detach() * w).sum())(t.X).sum())(t.V),
    "no_grad inside": lambda t: t.vmap(t.grad(lambda x: x.sum() * t.quiet(lambda: (x * x).sum())))(t.X),
    "no_grad around": lambda t: t.quiet(lambda: t.grad(lambda x: (x * x).sum())(t.V)),
    "autograd around grad": lambda t: (
        lambda w: t.lib.autograd.grad(t.grad(lambda x: (x**3).sum())(w).sum(), w)
    )(t.V.requires_grad_()),
    "autograd around vmap": lambda t: (
        lambda w: t.lib.autograd.grad(t.vmap(lambda x: (w**3 * x).sum())(t.X).sum(), w)
    )(t.V.requires_grad_()),
    "autograd inside grad": lambda t: t.grad(
        lambda x: (t.lib.autograd.grad((x**3).sum(), x, create_graph=True)[0] ** 2).sum()
    )(t.V),
    "a leaf from outside": lambda t: (lambda w: t.grad(lambda x: (w * x).sum())(t.V))(t.V.requires_grad_()),
    "a leaf that does not matter": lambda t: (lambda w: t.grad(lambda x: ((w * x).sum() * 0 + x.sum()))(t.V))(t.B[0]),
    "batched from outside": lambda t: t.vmap(lambda x: t.grad(lambda w: (w * x).sum() ** 2)(t.V))(t.X),
    # dimensions and structures
    "in_dims nested": lambda t: t.vmap(lambda d: d["a"] * d["b"][0], in_dims=({"a": 0, "b": (None,)},))(
        {"a": t.X, "b": (t.V,)}
    ),
    "in_dims in a list": lambda t: t.vmap(lambda d: d[0] * d[1], in_dims=([0, None],))([t.X, t.V]),
    "in_dims from the end": lambda t: t.vmap(lambda a, b: a * b, in_dims=(-1, 0))(t.X.T, t.X),
    "out_dims": lambda t: t.vmap(lambda a: (a, a * 2, {"x": a.sum()}), out_dims=(1, -1, 0))(t.X),
    "out_dims of a dict": lambda t: t.vmap(lambda a: {"x": a, "y": a}, out_dims={"x": 1, "y": 0})(t.X),
    "out_dims None": lambda t: t.vmap(lambda a: (a, t.V), out_dims=(0, None))(t.X),
    "the same for each sample": lambda t: t.vmap(lambda a: (a, t.V))(t.X),
    "a list out": lambda t: t.vmap(lambda a: [a, a], out_dims=[0, 1])(t.X),
    "chunks": lambda t: t.vmap(lambda a: (a, a.sum()), out_dims=(1, 0), chunk_size=2)(t.X),
    "gradients in chunks": lambda t: t.vmap(t.grad(t.energy), (None, 0), chunk_size=2)(t.W, t.X),
    "arguments by name": lambda t: t.vmap(lambda a, k: a * k)(t.X, k=t.V),
    "no samples": lambda t: t.vmap(lambda a: a.sum())(t.X[:0]),
    "what a sample is": lambda t: t.vmap(
        lambda a: (tuple(a.shape), a.ndim, str(a.device), a.requires_grad, len(a), a.is_contiguous()), out_dims=None
    )(t.X),
    # writing
    "add_": lambda t: t.vmap(lambda x: x.clone().add_(1))(t.X),
    "writing into the input": lambda t: (t.vmap(lambda x: x.mul_(2))(t.X), t.X),
    "x[0] = ...": lambda t: t.vmap(lambda x: written(x.clone(), 0, x[1] * 2))(t.X),
    "into zeros_like": lambda t: t.vmap(lambda x: written(t.lib.zeros_like(x), slice(1, 3), x[:2]))(t.X),
    "into new_zeros": lambda t: t.vmap(lambda x: written(x.new_zeros(4), slice(1, 3), x[:2]))(t.X),
    "gradients of writes": lambda t: t.vmap(t.grad(lambda x: (written(x * 1, 0, x[1] * 2) ** 2).sum()))(t.X),
    "writes inside a gradient": lambda t: t.grad(
        lambda y: t.vmap(lambda x: (written(x * 1, 0, x[1] * 2) ** 2).sum())(y).sum()
    )(t.X),
    "mul_ inside a gradient": lambda t: t.grad(
        lambda y: t.vmap(lambda x: ((x * 1).mul_(x + 1)).sum())(y).sum()
    )(t.X),
    "mul_ by what is differentiated": lambda t: t.grad(
        lambda w: t.vmap(lambda x: ((x * 1).mul_(w)).sum())(t.X).sum()
    )(t.V),
    "fill_": lambda t: t.vmap(lambda a: a.clone().fill_(a[0]))(t.X),
    "copy_": lambda t: t.vmap(lambda a: t.lib.zeros_like(a).copy_(t.V))(t.X),
    # indices of each sample's own
    "x[i]": lambda t: t.vmap(lambda x, i: x[i])(t.X, t.I),
    "x[i], x the same": lambda t: t.vmap(lambda i: t.W[:, i])(t.I),
    "x[i] of one": lambda t: t.vmap(lambda x, i: x[i])(t.X, t.I[:, 0]),
    "x[1:, i] of one": lambda t: t.vmap(lambda i: t.W[1:, i])(t.I[:, 0]),
    "x[-i]": lambda t: t.vmap(lambda x, i: x[i - 4])(t.X, t.I),
    "x[i, :, i]": lambda t: t.vmap(lambda i: t.A[i, :, i])(t.I),
    "x[:, None, i]": lambda t: t.vmap(lambda i: t.A[:, None, i % 3])(t.I),
    "x[0, :, i]": lambda t: t.vmap(lambda i: t.A[0, :, i])(t.I),
    "gradient of x[i]": lambda t: t.vmap(t.grad(lambda x, i: (x[i] ** 2).sum()))(t.X, t.I),
    "x[i] = 7": lambda t: t.vmap(lambda x, i: written(x.clone(), i, 7.0))(t.X, t.I),
    "masked_fill": lambda t: t.vmap(lambda x, m: x.masked_fill(m, 2.0))(t.X, t.M),
    "where": lambda t: t.vmap(lambda x, m: t.lib.where(m, x, 0.0))(t.X, t.M),
    "gather": lambda t: t.vmap(lambda x, i: x.gather(0, i))(t.X, t.I),
    "scatter": lambda t: t.vmap(lambda x, i: x.scatter(0, i, 2.0))(t.X, t.I),
    "scatter_add": lambda t: t.vmap(lambda x, i: x.scatter_add(0, i, x[:2]))(t.X, t.I),
    "index_select": lambda t: t.vmap(lambda x, i: x.index_select(0, i))(t.X, t.I),
    "index_add": lambda t: t.vmap(lambda x, i: x.index_add(0, i, x[:2]))(t.X, t.I),
    # methods
    "sort, topk, max": lambda t: t.vmap(lambda x: (*x.sort(), *x.topk(2), *x.max(0), x.max(), x.median()))(t.X),
    "chunk, split, unbind": lambda t: t.vmap(lambda x: (*x.chunk(2), *x.split(3), t.lib.stack(x.unbind(), -1)))(t.X),
    "iteration": lambda t: t.vmap(lambda x: sum(v * v for v in x))(t.X),
    "promotion": lambda t: t.vmap(lambda x, i: (x + t.lib.ones(4), x[0] + t.lib.ones(4), i * 1.5, 1 - x / 2))(t.X, t.I),
    "views": lambda t: t.vmap(lambda a: (a.view(2, 2).t(), a.reshape(1, 2, 2, 1).squeeze(), a.expand(2, 3, 4)))(t.X),
    "statistics": lambda t: t.vmap(lambda a: (a.std(), a.var(0), a.mean(), a.norm(), a.softmax(-1)))(t.X),
    "joining": lambda t: t.vmap(lambda a: (t.lib.cat([a, t.V]), t.lib.stack([a, t.V], 1), t.lib.outer(a, a)))(t.X),
    "bmm": lambda t: t.vmap(lambda a: t.lib.bmm(a.reshape(2, 2, 1), a.reshape(2, 1, 2)))(t.X),
    "products with zeros": lambda t: t.vmap(t.grad(lambda x: x.prod() + x.cumprod(0).sum()))(t.Z),
    # random numbers
    "randn, different": lambda t: t.vmap(lambda a: t.lib.randn(3), randomness="different")(t.X),
    "randn, same": lambda t: t.vmap(lambda a: t.lib.randn(3) + a[0] * 0, randomness="same")(t.X),
    "rand_like": lambda t: [t.vmap(t.lib.rand_like, randomness=kind)(t.X) for kind in ("different", "same")],
    "normal_": lambda t: [
        t.vmap(lambda a: a.clone().normal_(), randomness=kind)(t.X) for kind in ("different", "same")
    ],
    "randint": lambda t: t.vmap(lambda a: t.lib.randint(0, 10, (3,)), randomness="different")(t.X),
    "nested randomness": lambda t: [
        t.vmap(lambda a, k=inner: t.vmap(lambda b: t.lib.rand(2), randomness=k)(a), randomness=outer)(t.X)
        for inner, outer in (("different", "different"), ("same", "different"), ("different", "same"))
    ],
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_programs_give_the_same(program):
    both(program)


#: What both refuse, and what the message here must name.
REFUSED = {
    "item": (lambda t: t.vmap(lambda x: x.item())(t.V), r"\.item\(\).*each sample has others"),
    "if": (lambda t: t.vmap(lambda x: x if x.sum() > 0 else -x)(t.X), r"bool\(\).*dovetail\.where instead of if"),
    "mask": (lambda t: t.vmap(lambda x: x[x > 0])(t.X), r"mask.*other numbers of elements.*dovetail\.where\(mask"),
    "nonzero": (lambda t: t.vmap(lambda x: t.lib.nonzero(x))(t.X), r"nonzero"),
    "numpy": (lambda t: t.vmap(lambda x: x.numpy())(t.X), r"\.numpy\(\)"),
    "format": (lambda t: t.vmap(lambda x: f"{x:.2f}")(t.V), r"printing by format"),
    "random": (lambda t: t.vmap(lambda x: t.lib.randn(3))(t.X), r"randomness='error'; say randomness='different'"),
    "random inside": (
        lambda t: t.vmap(lambda a: t.vmap(lambda b: t.lib.rand(2), randomness="same")(a))(t.X), r"randomness='error'",
    ),
    "normal_ on what is shared": (
        lambda t: t.vmap(lambda a: a + t.lib.zeros(4).normal_(), randomness="different")(t.X), r"in-place",
    ),
    "in_dims too many": (lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(t.X), r"not compatible with the structure"),
    "in_dims a list": (lambda t: t.vmap(lambda x: x, in_dims=[0])(t.X), r"expected in_dims .* got list"),
    "in_dims text": (lambda t: t.vmap(lambda x: x, in_dims=("a",))(t.X), r"in_dim='a'.*integer or None"),
    "in_dims out of range": (lambda t: t.vmap(lambda x: x, in_dims=2)(t.X), r"in_dim=2.* -2 <= in_dim < 2"),
    "in_dims None": (lambda t: t.vmap(lambda x: x, in_dims=(None,))(t.X), r"at least one tensor must be mapped over"),
    "sizes": (lambda t: t.vmap(lambda x, y: x)(t.X, t.X.T), r"same size in the mapped dimension, got sizes \[5, 4\]"),
    "a number": (lambda t: t.vmap(lambda x, y: x)(t.X, 3.0), r"in_dim=0 for an input of type float.*use None"),
    "no inputs": (lambda t: t.vmap(lambda: 3)(), r"got no inputs"),
    "not a tensor": (lambda t: t.vmap(lambda x: 3.0)(t.X), r"only return tensors, got type float.*out_dims=None"),
    "nothing": (lambda t: t.vmap(lambda x: None)(t.X), r"only return tensors, got type NoneType"),
    "out_dims None, batched": (lambda t: t.vmap(lambda x: x, out_dims=None)(t.X), r"out_dims=None depends on"),
    "out_dims out of range": (lambda t: t.vmap(lambda x: x, out_dims=5)(t.X), r"out_dims=5 is out of range.* 2 dim"),
    "out_dims too many": (lambda t: t.vmap(lambda x: (x, x), out_dims=(0, 1, 0))(t.X), r"not compatible"),
    "out_dims text": (lambda t: t.vmap(lambda x: x, out_dims="x")(t.X), r"out_dims must be an integer, None"),
    "out_dims a list for a tuple": (lambda t: t.vmap(lambda x: (x, x), out_dims=[0, 1])(t.X), r"not compatible"),
    "randomness": (lambda t: t.vmap(lambda x: x, randomness="foo")(t.X), r"'error', 'different' or 'same', got 'foo'"),
    "chunk_size": (lambda t: t.vmap(lambda x: x, chunk_size=0)(t.X), r"greater than 0, got 0"),
    "in-place": (lambda t: t.vmap(lambda x: t.lib.zeros(4).to(x.dtype).copy_(x))(t.X), r"room for one sample only"),
    "vector": (lambda t: t.grad(lambda x: x)(t.X), r"scalar tensor, got a tensor with 2 dims.*vjp or jacrev"),
    "float": (lambda t: t.grad(lambda x: 3)(t.X), r"return a tensor, got type int"),
    "of a number": (lambda t: t.grad(lambda x: x)(3.0), r"expected tensors to differentiate for, got float"),
    "of integers": (lambda t: t.grad(lambda x: x.sum())(t.I), r"only tensors of floating point"),
    "argnums": (lambda t: t.grad(lambda x: x.sum(), argnums=1)(t.X), r"argnum=1, but only 1 positional inputs"),
    "argnums twice": (lambda t: t.grad(lambda x: x.sum(), argnums=(0, 0))(t.X), r"must be unique"),
    "no argnums": (lambda t: t.grad(lambda x: x.sum(), argnums=())(t.X), r"non-empty tuple"),
    "no aux": (lambda t: t.grad(lambda x: x.sum(), has_aux=True)(t.X), r"\(output, aux\), got Tensor"),
    "vjp of a number": (lambda t: t.vjp(lambda x: 3.0, t.X), r"only return tensors, got type float"),
    "vjp of nothing": (lambda t: t.vjp(lambda x: (), t.X), r"non-empty output"),
    "cotangents": (lambda t: t.vjp(lambda x: (x, x), t.X)[1](t.X), r"structure of the cotangents .*\(\*, \*\), got \*"),
    "cotangent sizes": (lambda t: t.vjp(lambda x: x, t.X)[1](t.V), r"\(4,\), the tensor \(5, 4\)"),
    "primals": (lambda t: t.jvp(lambda x: x, t.X, t.X), r"primals to be a non-empty tuple"),
    "tangent sizes": (lambda t: t.jvp(lambda x: x, (t.X,), (t.V,)), r"\(4,\), its primal \(5, 4\)"),
    "tangents": (lambda t: t.jvp(lambda x: x, (t.X,), (3,)), r"tangents to be tensors, got type int"),
    "tangent structure": (lambda t: t.jvp(lambda x: x, (t.X,), (t.X, t.X)), r"same structure"),
    "jvp of a number out": (lambda t: t.jvp(lambda x: 3, (t.X,), (t.X,)), r"only return tensors"),
    "jacrev of integers": (lambda t: t.jacrev(lambda x: x.long())(t.V), r"floating-point tensors, got dtype"),
    "jacrev chunk_size": (lambda t: t.jacrev(lambda x: x, chunk_size=0)(t.X), r"greater than 0, got 0"),
    "equal": (lambda t: t.vmap(lambda a: t.lib.equal(a, a), out_dims=None)(t.X), r"each sample has others"),
}  # fmt: skip


@pytest.mark.parametrize(("program", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_torch_refuses_is_refused_with_advice(program, words):
    warnings.simplefilter("ignore")
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as theirs:
        program(Given(torch))
    with pytest.raises(type(theirs.value), match=words):
        program(Given(dovetail))

"""Products of tensors against PyTorch: einsum and its kin, sums with a product, distances."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import dovetail

pytestmark = pytest.mark.parity


def numbers(*shape, seed=0, dtype="float64"):
    return np.asarray(np.random.default_rng(seed).uniform(-2, 2, shape)).astype(dtype)


EQUATIONS = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "bhqd,bhkd->bhqk": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "bhqk,bhkd->bqhd": [(2, 3, 4, 6), (2, 3, 6, 5)],
    "ij->ji": [(2, 3)],
    "ij": [(2, 3)],
    "ba": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->i": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iij->ji": [(3, 3, 2)],
    "iii->i": [(3, 3, 3)],
    "i,j->ij": [(3,), (4,)],
    "i,i": [(3,), (3,)],
    "i,i->i": [(3,), (3,)],
    ",->": [(), ()],
    ",ij->ij": [(), (2, 3)],
    "...ij,...jk->...ik": [(2, 3, 4), (4, 5)],
    "...i,...i": [(2, 3), (2, 3)],
    "...,...": [(2, 3), (3,)],
    "i...->...": [(2, 3, 4)],
    "i...": [(2, 3, 4)],
    "i...j->j...i": [(2, 3, 4, 5)],
    "ij,ij->ij": [(2, 1), (2, 3)],
    "ij,jk->ik ": [(2, 1), (3, 4)],
    "ij,kj->": [(2, 3), (4, 3)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "ij,kj,lj->ikl": [(2, 3), (4, 3), (2, 3)],
    "i,ij,j->": [(2,), (2, 3), (3,)],
    "aB,Bc->ac": [(2, 3), (3, 2)],
    "ij,jk->ik  ": [(0, 3), (3, 2)],
    "ij , jk -> ik": [(2, 0), (0, 2)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(compare, equation):
    arrays = [numbers(*shape, seed=seed) for seed, shape in enumerate(EQUATIONS[equation])]
    compare(lambda lib, *tensors: lib.einsum(equation, *tensors), *arrays)
    compare(lambda lib, *tensors: lib.einsum(equation, list(tensors)), *arrays, layout="permuted")
    whole = [array.astype("int64") for array in arrays]
    compare(lambda lib, *tensors: lib.einsum(equation, *tensors), *whole)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=150)
@hypothesis.given(strategies.data())
def test_einsum_of_random_equations(compare, data):
    sizes = {letter: data.draw(strategies.integers(1, 3)) for letter in "abcd"}
    terms = data.draw(strategies.lists(strategies.text("abcd", max_size=3), min_size=1, max_size=3))
    known = sorted(set("".join(terms)))
    output = "".join(data.draw(strategies.permutations(known)))[: data.draw(strategies.integers(0, len(known)))]
    dots = data.draw(strategies.booleans())
    rest = [data.draw(strategies.sampled_from([(), (1,), (2,), (3, 2), (3, 1)])) if dots else () for _ in terms]
    arrays = [
        numbers(*(sizes[letter] for letter in term), *extra, seed=seed)
        for seed, (term, extra) in enumerate(zip(terms, rest, strict=True))
    ]
    equation = ",".join(term + "..." * dots for term in terms)
    if data.draw(strategies.booleans()):
        equation += "->" + "..." * dots + output
    compare(lambda lib, *tensors: lib.einsum(equation, *tensors), *arrays)


def test_einsum_by_lists(compare):
    x, y = numbers(2, 3, 4), numbers(4, 5)
    compare(lambda lib, x, y: lib.einsum(x, [0, 1, 2], y, [2, 3]), x, y)
    compare(lambda lib, x, y: lib.einsum(x, [..., 1], y, [1, 40], [40, ...]), x, y)


@pytest.mark.parametrize(
    ("equation", "shapes", "says"),
    [
        ("ij,jk", [(2, 3), (2, 3)], r"subscript 'j' has size 2 in operand 1, but 3 before"),
        ("ijk", [(2, 3)], r"'ijk' names 3 dimensions, but operand 0 has 2; name each, or write ... for the rest"),
        ("ij->ik", [(2, 3)], r"output subscript 'k' of 'ij->ik' is in no operand"),
        ("ij->ii", [(2, 3)], r"output subscript 'i' of 'ij->ii' is there more than once"),
        ("i1", [(2, 3)], r"invalid subscript '1' in 'i1'; subscripts are letters"),
        ("ij,jk", [(2, 3)], r"'ij,jk' has 2 terms, but there are 1 operands"),
        ("ii", [(2, 3)], r"subscript 'i' is there twice, for sizes 2 and 3 of one operand"),
        ("...i,...i", [(2, 3), (4, 3)], r"a dimension of ... has size 4 in operand 1, but 2 before"),
    ],
)
def test_einsum_errors(compare, equation, shapes, says):
    arrays = [numbers(*shape) for shape in shapes]
    error = compare(lambda lib, *tensors: lib.einsum(equation, *tensors), *arrays)
    with pytest.raises(dovetail.errors.ShapeError, match=says):
        raise error


def test_einsum_second_derivative():
    from dovetail.testing import gradcheck, gradgradcheck

    x, y = (dovetail.tensor(numbers(2, 3, seed=seed), requires_grad=True) for seed in (0, 1))
    for equation in ("ij,kj->ik", "ij,ij->", "ij,kl->jl"):
        assert gradcheck(lambda x, y, equation=equation: dovetail.einsum(equation, x, y), (x, y))
        assert gradgradcheck(lambda x, y, equation=equation: dovetail.einsum(equation, x, y), (x, y))


CALLS = [
    (lambda lib, x, y: lib.tensordot(x, y, 1), [(2, 3), (3, 4)]),
    (lambda lib, x, y: lib.tensordot(x, y, dims=0), [(2, 3), (4,)]),
    (lambda lib, x, y: lib.tensordot(x, y), [(2, 3, 4), (3, 4, 5)]),
    (lambda lib, x, y: lib.tensordot(x, y, dims=([0, -1], [1, 0])), [(2, 3, 4), (4, 2, 5)]),
    (lambda lib, x, y: lib.tensordot(x, y, ([1], [0])), [(2, 1), (3, 4)]),
    (lambda lib, x, y: lib.inner(x, y), [(2, 3), (4, 3)]),
    (lambda lib, x, y: x.inner(y), [(3,), (3,)]),
    (lambda lib, x, y: lib.inner(x, y), [(2, 3), ()]),
    (lambda lib, x, y: (lib.vdot(x, y), x.vdot(y)), [(3,), (3,)]),
    (lambda lib, x, y: (lib.ger(x, y), x.ger(y)), [(3,), (4,)]),
    (lambda lib, x, y: (lib.kron(x, y), x.kron(y)), [(2, 3), (3, 2)]),
    (lambda lib, x, y: lib.kron(x, y), [(2,), (2, 2, 3)]),
    (lambda lib, x, y, z: (lib.addmm(x, y, z), x.addmm(y, z, beta=0.5, alpha=2)), [(4,), (2, 3), (3, 4)]),
    (lambda lib, x, y, z: lib.addmm(x, y, z, beta=0, alpha=3), [(2, 1), (2, 3), (3, 4)]),
    (lambda lib, x, y, z: (lib.addmv(x, y, z), x.addmv(y, z, beta=0.5)), [(2,), (2, 3), (3,)]),
    (lambda lib, x, y, z: (lib.addr(x, y, z), x.addr(y, z, alpha=0.5)), [(2, 3), (2,), (3,)]),
    (lambda lib, x, y, z: (lib.baddbmm(x, y, z), x.baddbmm(y, z, alpha=2)), [(2, 2, 4), (2, 2, 3), (2, 3, 4)]),
    (lambda lib, x, y, z: (lib.addbmm(x, y, z), x.addbmm(y, z, beta=2)), [(2, 4), (2, 2, 3), (2, 3, 4)]),
    (lambda lib, x, y, z: lib.chain_matmul(x, y, z), [(2, 3), (3, 4), (4, 1)]),
    (lambda lib, x, y: (lib.cross(x, y, dim=1), x.cross(y)), [(2, 3), (2, 3)]),
    (lambda lib, x, y: lib.cross(x, y, dim=-1), [(2, 3), (1, 3)]),
    (lambda lib, x, y: (lib.dist(x, y), x.dist(y, 1), lib.dist(x, y, p=3)), [(2, 3), (3,)]),
    (lambda lib, x, y: (lib.cdist(x, y), lib.cdist(x, y, 1), lib.cdist(x, y, p=3.0)), [(2, 3), (4, 3)]),
    (lambda lib, x, y: (lib.cdist(x, y, float("inf")), lib.cdist(x, y, 0)), [(2, 2, 3), (2, 4, 3)]),
    (lambda lib, x, y: lib.cdist(x, y), [(5, 1, 2, 3), (2, 4, 3)]),
    (lambda lib, x: (lib.pdist(x), lib.pdist(x, 1)), [(4, 3)]),
    (lambda lib, x, y: lib.cosine_similarity(x, y), [(4, 3), (4, 3)]),
    (lambda lib, x, y: lib.cosine_similarity(x, y, dim=-1), [(4, 1, 3), (2, 3)]),
    (lambda lib, x, y: lib.cosine_similarity(x, y * 0, dim=0), [(3,), (3,)]),
]
REFUSED = [
    (lambda lib, x, y: lib.tensordot(x, y, 1), [(2, 3), (2, 3)], "contracted dimensions must match"),
    (
        lambda lib, x, y: lib.tensordot(x, y, ([0, 1], [0])),
        [(2, 3), (2, 3)],
        "both lists of dims must be of one length",
    ),
    (lambda lib, x, y: lib.tensordot(x, y, 3), [(2, 3), (2, 3)], "tensordot: dims must be from 0 to 2, got 3"),
    (lambda lib, x, y: lib.inner(x, y), [(2, 3), (2, 2)], "inner: the last dimensions must match"),
    (lambda lib, x, y: lib.vdot(x, y), [(3,), (3, 1)], "vdot: takes tensors of 1 dimensions"),
    (lambda lib, x, y: lib.ger(x, y), [(3, 1), (3,)], "ger: takes tensors of 1 dimensions"),
    (lambda lib, x, y: lib.addmm(x.long(), y, y), [(2, 2), (2, 2)], "addmm: input and the product must have one dtype"),
    (lambda lib, x, y: lib.addmm(x, y, y), [(3,), (2, 2)], r"addmm: input of sizes \(3,\) does not broadcast"),
    (lambda lib, x, y: lib.baddbmm(x, y, y), [(3,), (2, 2)], "baddbmm: takes tensors of 3 dimensions"),
    (lambda lib, x, y: lib.cross(x, y), [(2, 2), (2, 2)], "cross: no dimension of size 3 in sizes"),
    (lambda lib, x, y: lib.cross(x, y, dim=0), [(2, 3), (2, 3)], "cross: dimension 0 must have size 3"),
    (lambda lib, x, y: lib.dist(x.long(), y.long()), [(2,), (2,)], "dist: takes floating point"),
    (lambda lib, x, y: lib.cdist(x, y), [(2, 3), (4, 2)], "cdist: takes tensors of at least 2 dimensions"),
    (lambda lib, x, y: lib.cdist(x, y, -1), [(2, 3), (4, 3)], "cdist: p must be 0 or more, got -1"),
    (lambda lib, x, y: lib.pdist(x), [(2, 3, 1), (4, 3)], "pdist: takes a matrix"),
]


@pytest.mark.parametrize(("call", "shapes"), CALLS)
def test_products(compare, call, shapes):
    compare(call, *[numbers(*shape, seed=seed) for seed, shape in enumerate(shapes)])
    compare(call, *[numbers(*shape, seed=seed, dtype="float32") for seed, shape in enumerate(shapes)], gradients=False)


def test_nothing_is_left_of_an_input_times_zero(compare):
    bad = np.array([np.nan, np.inf])
    compare(lambda lib, x, y: lib.addmm(x, y, y, beta=0), bad, numbers(2, 2), gradients=False)
    compare(lambda lib, x: lib.addmm(x, x, x, alpha=2, beta=3), numbers(2, 2, dtype="int64"))


def test_a_dimension_of_one_is_summed_against_a_longer_one(compare):
    compare(lambda lib, x, y: lib.tensordot(x, y, 1), numbers(2, 1, dtype="int32"), numbers(3, 4, dtype="int32"))


def test_distances_of_equal_points(compare):
    x = numbers(3, 2)
    compare(lambda lib, x: lib.cdist(x, x), x)
    compare(lambda lib, x: lib.pdist(lib.stack([x[0], x[0], x[1]])), x)


@pytest.mark.parametrize(("call", "shapes", "says"), REFUSED)
def test_errors_in_both(compare, call, shapes, says):
    error = compare(call, *[numbers(*shape) for shape in shapes], gradients=False)
    with pytest.raises((RuntimeError, ValueError), match=says):
        raise error

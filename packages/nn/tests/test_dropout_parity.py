"""Dropout of every kind beside PyTorch: the same masks, values, gradients and generator state after the same seed."""

import warnings

import numpy as np
import pytest

import dovetail

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
pytestmark = pytest.mark.parity

NAMES = ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
LAYOUTS = {
    "rows": lambda lib, a: lib.tensor(a),
    "turned": lambda lib, a: lib.tensor(np.ascontiguousarray(a.T)).permute(*range(a.ndim)[::-1]),
    "strided": lambda lib, a: lib.tensor(np.repeat(a, 2, -1))[..., ::2],
}


def run(lib, name, array, dtype, layout, **options):
    functional = (dovetail if lib is dovetail else torch).nn.functional
    leaf = LAYOUTS[layout](lib, array).to(getattr(lib, dtype))
    if lib.tensor(array).ndim and leaf.is_floating_point() and not options["inplace"]:
        leaf.requires_grad_()
    lib.manual_seed(options.pop("seed"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            out = getattr(functional, name)(leaf, **options)
        except (RuntimeError, ValueError, TypeError) as error:
            return error
    state = lib.get_rng_state().numpy().tobytes()
    if leaf.requires_grad:
        out.sum().backward()
        return [out.detach(), leaf.grad, state]
    return [out, leaf, state]


def numbers(x):
    return x.float().numpy() if str(x.dtype).endswith("16") else x.numpy()


@hypothesis.settings(deadline=None, derandomize=True, max_examples=300)
@hypothesis.given(
    st.integers(0, 2**40), st.sampled_from(NAMES), st.lists(st.integers(0, 5), max_size=5).map(tuple),
    st.sampled_from(["float32", "float64", "float16", "bfloat16", "int64"]), st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0, 1.5]), st.booleans(), st.sampled_from([True, True, False]),
)  # fmt: skip
def test_dropout_draws_and_gives_what_pytorch_does(seed, name, shape, dtype, layout, p, inplace, training):
    array = (np.random.default_rng(seed).normal(size=shape) * 3).astype(np.float32)
    layout = layout if shape else "rows"
    options = {"p": p, "inplace": inplace, "training": training, "seed": seed}
    ours, theirs = (run(lib, name, array, dtype, layout, **options) for lib in (dovetail, torch))
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch refuses this: {theirs!r}; Dovetail gave {ours!r}"
        assert isinstance(theirs, Exception), f"PyTorch takes this: {ours!r}"
        return
    alpha = "alpha" in name
    tolerance = {"float16": 2e-2, "bfloat16": 2e-1, "float32": 2e-6}.get(dtype, 1e-13) if alpha else 0
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), rtol=tolerance, atol=tolerance)
    assert ours[2] == theirs[2]


def test_a_layer_draws_what_its_function_does():
    x = np.ones((2, 3, 4, 5, 6), np.float32)
    for kind, shape in (
        ("Dropout", (2, 3)), ("Dropout1d", (2, 3, 4)), ("Dropout2d", (2, 3, 4, 5)), ("Dropout3d", (2, 3, 4, 5, 6)),
        ("AlphaDropout", (7,)), ("FeatureAlphaDropout", (2, 3, 4)),
    ):  # fmt: skip
        results = []
        for lib in (dovetail, torch):
            lib.manual_seed(3)
            layer = getattr(lib.nn, kind)(0.4)
            assert repr(layer) == f"{kind}(p=0.4, inplace=False)"
            results.append(layer(lib.tensor(np.resize(x, shape))).numpy())
        np.testing.assert_allclose(*results, rtol=1e-6)

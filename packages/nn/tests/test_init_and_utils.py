"""Starting values, gradient clipping and flat vectors."""

import math

import pytest

import dovetail
from dovetail import nn
from dovetail.errors import ShapeError
from dovetail.nn import init, utils


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("conv2d") == 1.0
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 1e-4)))
    with pytest.raises(ValueError, match="no gain is known for nonlinearity 'swish'; there are conv1d"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="the negative slope of leaky_relu is a number; got 'a'"):
        init.calculate_gain("leaky_relu", "a")


def test_constant_values():
    x = dovetail.empty(2, 2)
    assert init.zeros_(x) is x
    assert x.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert init.ones_(x).sum().item() == 4.0
    assert init.constant_(x, 3).sum().item() == 12.0
    assert init.eye_(x).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(ValueError, match=r"eye_ fills a matrix; got shape \(2,\)"):
        init.eye_(dovetail.empty(2))


def test_parameters_stay_parameters_that_need_gradients():
    layer = nn.Linear(2, 2)
    weight = layer.weight
    init.normal_(layer.weight)
    assert layer.weight is weight
    assert weight.requires_grad
    assert weight.is_leaf


@pytest.mark.parametrize(
    ("fill", "spread"),
    [
        (lambda w: init.xavier_uniform_(w), math.sqrt(2 / 300)),
        (lambda w: init.xavier_normal_(w, gain=2.0), 2 * math.sqrt(2 / 300)),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 200)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 100)),
        (lambda w: init.uniform_(w, -1.0, 1.0), math.sqrt(1 / 3)),
        (lambda w: init.normal_(w, 0.0, 0.5), 0.5),
    ],
)
def test_spread(fill, spread):
    dovetail.manual_seed(0)
    weight = fill(dovetail.empty(100, 200))
    assert weight.std().item() == pytest.approx(spread, rel=0.03)
    assert abs(weight.mean().item()) < spread * 0.05


def test_truncated_normal_stays_inside():
    dovetail.manual_seed(0)
    assert init.trunc_normal_(dovetail.empty(1000), a=-1.0, b=1.0).abs().max().item() <= 1.0
    far = init.trunc_normal_(dovetail.empty(1000), a=1.5, b=2.5)
    assert 1.5 <= far.min().item() < 1.6 < far.mean().item() < 2.0
    with pytest.warns(UserWarning, match=r"the mean 9.0 is more than 2 std from \[-2.0, 2.0\]"):
        init.trunc_normal_(dovetail.empty(10), mean=9.0)


def test_fans_need_two_dimensions_and_a_mode():
    with pytest.raises(ValueError, match=r"need a weight of 2 or more dimensions, .* got shape \(3,\)"):
        init.xavier_uniform_(dovetail.empty(3))
    with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out'; got 'fan'"):
        init.kaiming_normal_(dovetail.empty(3, 3), mode="fan")
    assert init._calculate_fan_in_and_fan_out(dovetail.empty(4, 3, 5, 5)) == (75, 100)
    assert init.kaiming_uniform_(dovetail.empty(0, 3)).shape == (0, 3)


def with_gradients(*values):
    parameters = [nn.Parameter(dovetail.zeros(len(value))) for value in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = dovetail.tensor(value)
    return [*parameters, nn.Parameter(dovetail.zeros(1))]


def test_clip_by_norm():
    parameters = with_gradients([3.0], [0.0, 4.0])
    assert utils.clip_grad_norm_(parameters, 1.0).item() == pytest.approx(5.0)
    assert parameters[0].grad.tolist() == pytest.approx([0.6])
    assert parameters[1].grad.tolist() == pytest.approx([0.0, 0.8])
    assert utils.clip_grad_norm_(parameters, 10.0).item() == pytest.approx(1.0)
    assert parameters[0].grad.tolist() == pytest.approx([0.6])
    assert utils.clip_grad_norm_(with_gradients([3.0], [-4.0]), 1.0, float("inf")).item() == 4.0
    assert utils.clip_grad_norm_(with_gradients([3.0], [-4.0]), 1.0, 1.0).item() == 7.0
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_clip_by_norm_can_refuse_what_is_not_finite():
    with pytest.raises(RuntimeError, match=r"norm of order 2.0 is inf; .* error_if_nonfinite=False"):
        utils.clip_grad_norm_(with_gradients([math.inf]), 1.0, error_if_nonfinite=True)


def test_clip_by_value():
    parameters = with_gradients([3.0, -4.0, 0.5])
    utils.clip_grad_value_(parameters, 1.0)
    assert parameters[0].grad.tolist() == [1.0, -1.0, 0.5]
    single = with_gradients([3.0])[0]
    utils.clip_grad_value_(single, 2)
    assert single.grad.tolist() == [2.0]


def test_flat_vectors_go_out_and_in():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = utils.parameters_to_vector(source.parameters())
    utils.vector_to_parameters(vector, target.parameters())
    assert dovetail.equal(source.weight, target.weight)
    assert dovetail.equal(source.bias, target.bias)
    assert target.weight.is_leaf
    with pytest.raises(ShapeError, match="the vector has 3 values and the parameters 8; they must agree"):
        utils.vector_to_parameters(dovetail.zeros(3), target.parameters())
    with pytest.raises(TypeError, match="vector_to_parameters takes a Tensor; got list"):
        utils.vector_to_parameters([1.0], target.parameters())

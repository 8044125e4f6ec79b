"""Which tensors an optimizer takes, what its steps do, what it saves."""

import copy

import pytest

import dovetail
from dovetail import optim
from dovetail.errors import LoadError


def weight(*values):
    return dovetail.tensor(values or (1.0, -2.0), requires_grad=True)


def with_gradient(*values):
    made = weight()
    made.grad = dovetail.tensor(values or (0.5, -1.0))
    return made


KINDS = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    lambda params: optim.Adam(params, lr=0.1),
    lambda params: optim.Adam(params, lr=0.1, amsgrad=True, weight_decay=0.01),
    lambda params: optim.AdamW(params, lr=0.1),
]


# Steps by hand


def test_sgd_by_hand():
    w = with_gradient()
    optim.SGD([w], lr=0.1).step()
    assert w.tolist() == pytest.approx([0.95, -1.9])


def test_sgd_momentum_by_hand():
    w = with_gradient()
    optimizer = optim.SGD([w], lr=0.1, momentum=0.5, dampening=0.2)
    optimizer.step()
    assert w.tolist() == pytest.approx([0.95, -1.9])
    optimizer.step()
    assert w.tolist() == pytest.approx([0.95 - 0.1 * (0.25 + 0.4), -1.9 + 0.1 * (0.5 + 0.8)])
    assert optimizer.state[w]["momentum_buffer"].tolist() == pytest.approx([0.65, -1.3])


def test_sgd_nesterov_weight_decay_and_maximize_by_hand():
    w = with_gradient()
    optim.SGD([w], lr=0.1, momentum=0.5, nesterov=True).step()
    assert w.tolist() == pytest.approx([1 - 0.1 * 0.75, -2 + 0.1 * 1.5])
    w = with_gradient()
    optim.SGD([w], lr=0.1, weight_decay=0.1).step()
    assert w.tolist() == pytest.approx([1 - 0.1 * 0.6, -2 + 0.1 * 1.2])
    w = with_gradient()
    optim.SGD([w], lr=0.1, maximize=True).step()
    assert w.tolist() == pytest.approx([1.05, -2.1])


def test_the_first_steps_of_adam_have_the_size_of_lr():
    w = with_gradient()
    optimizer = optim.Adam([w], lr=0.1)
    optimizer.step()
    assert w.tolist() == pytest.approx([0.9, -1.9])
    assert optimizer.state[w]["step"] == 1
    w = with_gradient()
    optim.Adam([w], lr=0.1, maximize=True).step()
    assert w.tolist() == pytest.approx([1.1, -2.1])


def test_adamw_shrinks_the_parameter_itself():
    w = with_gradient()
    optim.AdamW([w], lr=0.1, weight_decay=0.5).step()
    assert w.tolist() == pytest.approx([1 * 0.95 - 0.1, -2 * 0.95 + 0.1])


@pytest.mark.parametrize("make", KINDS)
def test_a_bowl_is_descended(make):
    w = weight(2.0, -1.0)
    optimizer = make([w])
    for _ in range(200):
        optimizer.zero_grad()
        ((w - 0.5) ** 2).sum().backward()
        optimizer.step()
    assert w.tolist() == pytest.approx([0.5, 0.5], abs=0.05)


@pytest.mark.parametrize("make", KINDS)
def test_a_step_keeps_the_tensor_and_its_place_in_graphs(make):
    w = with_gradient()
    w.grad.requires_grad_(False)
    optimizer = make([w])
    optimizer.step()
    assert w.is_leaf
    assert w.requires_grad
    (w * 2).sum().backward()


@pytest.mark.parametrize("make", KINDS)
def test_parameters_without_a_gradient_are_left_alone(make):
    w, other = with_gradient(), weight()
    optimizer = make([w, other])
    optimizer.step()
    assert other.tolist() == [1.0, -2.0]
    assert other not in optimizer.state


def test_writing_to_a_parameter_that_a_graph_needs_is_caught():
    w = weight()
    loss = (w * w).sum()
    w.grad = dovetail.ones(2)
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="has been modified by an in-place operation"):
        loss.backward()


def test_a_closure_runs_with_gradients_and_its_loss_comes_back():
    w = weight()
    optimizer = optim.SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with dovetail.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert w.tolist() == pytest.approx([0.8, -1.6])


def test_zero_grad_forgets_or_fills():
    w = with_gradient()
    optimizer = optim.SGD([w, weight()])
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert w.grad is None


# Groups


def test_groups_have_settings_of_their_own():
    a, b = with_gradient(), with_gradient()
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    optimizer.step()
    assert a.tolist() == pytest.approx([0.95, -1.9])
    assert b.tolist() == pytest.approx([0.5, -1.0])
    optimizer.add_param_group({"params": [weight()]})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1.0, 0.1]


def test_named_parameters_are_taken():
    w = with_gradient()
    optimizer = optim.SGD([("fc.weight", w)], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["fc.weight"]
    optimizer.step()
    assert w.tolist() == pytest.approx([0.95, -1.9])
    with pytest.raises(ValueError, match="either every parameter group has names"):
        optimizer.add_param_group({"params": [weight()]})


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match=r"SGD got an empty parameter list; pass model.parameters\(\) of a model"):
        optim.SGD([])


def test_one_tensor_is_refused():
    with pytest.raises(TypeError, match=r"SGD takes a list of tensors, .* got one tensor: put it in a list"):
        optim.SGD(weight())


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="an optimizer changes tensors; parameter 1 is a float"):
        optim.SGD([weight(), 3.0])
    with pytest.raises(TypeError, match=r"parameters come in a list, .* got a set"):
        optim.SGD([{"params": {weight()}}])
    with pytest.raises(TypeError, match="a parameter group is a dict with 'params' and settings; got 3"):
        optim.SGD([weight()]).add_param_group(3)


def test_duplicates_are_refused():
    w = weight()
    with pytest.raises(ValueError, match=r"parameter 1, shape \(2,\), is also in this group; .* each tensor once"):
        optim.SGD([w, w])
    with pytest.raises(ValueError, match=r"parameter 0, shape \(2,\), is also in another group"):
        optim.SGD([{"params": [w]}, {"params": [w]}])


def test_computed_tensors_are_refused():
    with pytest.raises(ValueError, match=r"parameter 'x', shape \(2,\), was computed from other tensors"):
        optim.SGD([("x", weight() * 2)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.SGD(p, lr=-1), "SGD's lr is 0 or more; got -1"),
        (lambda p: optim.SGD(p, momentum=-1), "SGD's momentum is 0 or more; got -1"),
        (lambda p: optim.SGD(p, weight_decay=-1), "SGD's weight_decay is 0 or more; got -1"),
        (lambda p: optim.SGD(p, nesterov=True), "nesterov needs momentum above 0 and dampening 0; got momentum=0"),
        (lambda p: optim.Adam(p, lr=float("nan")), "Adam's lr is 0 or more; got nan"),
        (lambda p: optim.Adam(p, eps=-1), "Adam's eps is 0 or more; got -1"),
        (lambda p: optim.Adam(p, betas=(1.0, 0.9)), r"Adam's betas\[0\] is at least 0 and below 1; got 1.0"),
        (lambda p: optim.AdamW(p, betas=(0.9, -0.1)), r"AdamW's betas\[1\] is at least 0 and below 1; got -0.1"),
        (lambda p: optim.AdamW(p, weight_decay=-1), "AdamW's weight_decay is 0 or more; got -1"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make([weight()])


def test_printing_shows_the_settings():
    assert repr(optim.SGD([weight()], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n    maximize: False\n    momentum: 0\n"
        "    nesterov: False\n    weight_decay: 0\n)"
    )


# A subclass


def test_a_subclass_with_required_settings():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr=optim.optimizer.required):
            super().__init__(params, {"lr": lr})

    with pytest.raises(ValueError, match="a parameter group states no 'lr', and Plain has no default for it"):
        Plain([weight()])
    with pytest.raises(TypeError, match=r"Plain has no step\(\); define step\(self, closure=None\)"):
        Plain([weight()], lr=1.0).step()
    assert repr(optim.optimizer.required) == "<required>"


# Saving


def train(optimizer, w, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        (w**4).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("make", KINDS)
def test_a_loaded_optimizer_goes_on_as_the_saved_one_would(make, tmp_path):
    w = weight(0.5, -1.0)
    optimizer = make([w])
    train(optimizer, w, 3)
    dovetail.save(optimizer.state_dict(), tmp_path / "optimizer.ckpt")
    other = dovetail.tensor(w.tolist(), requires_grad=True)
    loaded = make([other])
    loaded.load_state_dict(dovetail.load(tmp_path / "optimizer.ckpt"))
    train(optimizer, w, 3)
    train(loaded, other, 3)
    assert dovetail.equal(w, other)


def test_a_loaded_state_is_a_copy_on_the_parameters_dtype():
    w = with_gradient()
    optimizer = optim.Adam([w])
    optimizer.step()
    state = optimizer.state_dict()
    saved = copy.deepcopy(state)
    other = weight().double().detach().requires_grad_()
    other.grad = dovetail.ones(2, dtype=dovetail.float64)
    loaded = optim.Adam([other])
    loaded.load_state_dict(state)
    assert loaded.state[other]["exp_avg"].dtype is dovetail.float64
    loaded.step()
    assert dovetail.equal(state["state"][0]["exp_avg"], saved["state"][0]["exp_avg"])


def test_layout_is_state_by_position_and_groups():
    optimizer = optim.SGD([{"params": [with_gradient(), with_gradient()]}, {"params": [with_gradient()]}], momentum=0.9)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert list(state["state"]) == [0, 1, 2]
    assert state["param_groups"][0]["momentum"] == 0.9


def test_settings_are_loaded_but_pytorchs_choices_of_implementation_are_not():
    optimizer = optim.SGD([weight()], lr=0.1)
    state = optimizer.state_dict()
    state["param_groups"][0].update(lr=0.7, foreach=None, fused=True)
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.7
    assert "foreach" not in optimizer.param_groups[0]


def test_named_parameters_are_matched_by_name():
    a, b = with_gradient(1.0, 1.0), with_gradient(2.0, 2.0)
    saved = optim.SGD([("a", a), ("b", b)], momentum=0.9)
    saved.step()
    loaded = optim.SGD([("b", weight()), ("a", weight())], momentum=0.9)
    loaded.load_state_dict(saved.state_dict())
    first, second = loaded.param_groups[0]["params"]
    assert loaded.param_groups[0]["param_names"] == ["b", "a"]
    assert loaded.state[first]["momentum_buffer"].tolist() == [2.0, 2.0]
    assert loaded.state[second]["momentum_buffer"].tolist() == [1.0, 1.0]
    with pytest.raises(
        LoadError, match=r"group 0 of the saved state has other names: missing \['c'\], unexpected \['a'"
    ):
        optim.SGD([("c", weight()), ("b", weight())]).load_state_dict(saved.state_dict())


def test_misfits_are_told_and_change_nothing():
    state = optim.SGD([weight(), weight()], lr=0.5).state_dict()
    optimizer = optim.SGD([weight()], lr=0.1)
    with pytest.raises(LoadError, match="group 0 of the saved state has 2 parameters and that of this SGD 1; build"):
        optimizer.load_state_dict(state)
    with pytest.raises(LoadError, match="the saved state has 1 parameter groups and this SGD 2; build the optimizer"):
        optim.SGD([{"params": [weight()]}, {"params": [weight()]}]).load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_optimizers_can_be_copied_with_their_model():
    w = with_gradient()
    optimizer = optim.Adam([w])
    optimizer.step()
    twin_w, twin = copy.deepcopy((w, optimizer))
    assert twin.param_groups[0]["params"][0] is twin_w
    assert twin.state[twin_w]["step"] == 1

"""Values going into a state_dict and back; what is said when they do not fit."""

from collections import OrderedDict

import pytest

import dovetail
from dovetail import nn
from dovetail.errors import LoadError


def make():
    return nn.Sequential(OrderedDict(fc1=nn.Linear(3, 4), norm=nn.BatchNorm1d(4), fc2=nn.Linear(4, 2)))


def test_names_and_order_are_those_of_registration():
    assert list(make().state_dict()) == [
        "fc1.weight",
        "fc1.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "fc2.weight",
        "fc2.bias",
    ]
    assert next(iter(make().state_dict(prefix="net."))) == "net.fc1.weight"


def test_values_share_memory_and_have_no_history_unless_asked():
    net = make()
    state = net.state_dict()
    assert not state["fc1.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["fc1.weight"] is net.fc1.weight
    with dovetail.no_grad():
        net.fc1.weight.fill_(7)
    assert (state["fc1.weight"] == 7).all()


def test_loading_copies():
    source, target = make(), make()
    weight = target.fc1.weight
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert target.fc1.weight is weight
    assert dovetail.equal(weight, source.fc1.weight)
    with dovetail.no_grad():
        source.fc1.weight.fill_(0)
    assert not (weight == 0).all()


def test_loading_converts_to_the_modules_dtype():
    source, target = make().double(), make()
    target.load_state_dict(source.state_dict())
    assert target.fc1.weight.dtype is dovetail.float32


def test_assign_takes_the_tensors_themselves():
    source, target = make().double(), make()
    state = source.state_dict()
    target.load_state_dict(state, assign=True)
    assert target.fc1.weight.dtype is dovetail.float64
    assert isinstance(target.fc1.weight, nn.Parameter)
    assert target.norm.running_mean is state["norm.running_mean"]


def test_every_misfit_is_listed_and_nothing_is_changed():
    net = make()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = {name: value * 0 + 9 for name, value in net.state_dict().items()}
    del state["fc1.bias"]
    state["fc3.weight"] = dovetail.zeros(1)
    state["fc2.weight"] = dovetail.zeros(5, 4)
    state["fc2.bias"] = 3
    with pytest.raises(LoadError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "the state_dict does not fit Sequential:\n"
        '    Missing key(s): "fc1.bias"\n'
        '    Unexpected key(s): "fc3.weight"\n'
        "    size mismatch: fc2.weight has shape (5, 4) in the state_dict and (2, 4) in the module\n"
        "    fc2.bias is a int, not a Tensor\n"
        "    next: build the module with the sizes that it was saved with"
    )
    assert isinstance(caught.value, RuntimeError)
    assert all(dovetail.equal(value, before[name]) for name, value in net.state_dict().items())


def test_not_strict_returns_the_names():
    state = make().state_dict()
    del state["fc1.bias"]
    state["extra"] = dovetail.zeros(1)
    result = make().load_state_dict(state, strict=False)
    assert result.missing_keys == ["fc1.bias"]
    assert result.unexpected_keys == ["extra"]
    assert "fc1.bias" in repr(result)


def test_missing_names_alone_suggest_strict():
    with pytest.raises(LoadError, match=r'Missing key\(s\): "weight", "bias"\n.*pass strict=False'):
        nn.Linear(1, 1).load_state_dict({})


def test_a_common_prefix_is_pointed_out():
    state = {"module." + name: value for name, value in make().state_dict().items()}
    with pytest.raises(LoadError, match=r"the names fit without 'module\.' in front; strip it from them"):
        make().load_state_dict(state)


def test_shapes_are_an_error_without_strict_too():
    with pytest.raises(LoadError, match=r"weight has shape \(2, 1\) in the state_dict and \(1, 1\) in the module"):
        nn.Linear(1, 1).load_state_dict({"weight": dovetail.zeros(2, 1)}, strict=False)


def test_what_is_no_dict_is_refused():
    with pytest.raises(TypeError, match="load_state_dict takes a dict of tensors by name; got list"):
        make().load_state_dict([])


def test_shared_modules_are_saved_under_both_names():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    net.load_state_dict(net.state_dict())


def test_extra_state_goes_along():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    source, target = nn.Sequential(Counter()), nn.Sequential(Counter())
    source[0].count = 5
    target.load_state_dict(source.state_dict())
    assert target[0].count == 5
    with pytest.raises(LoadError, match=r'Missing key\(s\): "0._extra_state"'):
        target.load_state_dict({})


def test_an_override_can_rename_keys_of_an_old_version():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = nn.Sequential(Renamed(1, 1))
    state = {"0.kernel": dovetail.full((1, 1), 4.0), "0.bias": dovetail.zeros(1)}
    net.load_state_dict(state)
    assert net[0].weight.item() == 4.0
    assert "0.kernel" in state


def test_batch_norm_reads_states_from_before_batches_were_counted():
    state = nn.BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    state._metadata = {"": {"version": 1}}
    nn.BatchNorm1d(2).load_state_dict(state)
    state._metadata = {"": {"version": 2}}
    with pytest.raises(LoadError, match="num_batches_tracked"):
        nn.BatchNorm1d(2).load_state_dict(state)


def test_through_a_file(tmp_path):
    net, other = make(), make()
    dovetail.save(net.state_dict(), tmp_path / "net.safetensors")
    other.load_state_dict(dovetail.load(tmp_path / "net.safetensors"))
    x = dovetail.ones(2, 3)
    assert dovetail.equal(net.eval()(x), other.eval()(x))

"""What `Module` registers, walks over, calls, moves and prints."""

import copy

import pytest

import dovetail
from dovetail import nn


class Block(nn.Module):
    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.fc = nn.Linear(size, size)
        self.act = nn.ReLU()
        self.register_buffer("steps", dovetail.tensor(0))

    def forward(self, x):
        return self.act(self.fc(x))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.scale = nn.Parameter(dovetail.ones(1))
        self.second = Block()

    def forward(self, x, *, twice=False):
        x = self.second(self.first(x)) * self.scale
        return x * 2 if twice else x


# Registration


def test_parameters_come_in_the_order_of_registration_own_ones_first():
    assert [name for name, _ in Net().named_parameters()] == [
        "scale",
        "first.fc.weight",
        "first.fc.bias",
        "second.fc.weight",
        "second.fc.bias",
    ]
    assert len(list(Net().parameters(recurse=False))) == 1


def test_shared_parameters_are_given_once_unless_asked():
    net = Net()
    net.second.fc.weight = net.first.fc.weight
    assert len(list(net.parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5


def test_buffers_modules_and_children_are_walked():
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["first.steps", "second.steps"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert [name for name, _ in net.named_modules()] == [
        *["", "first", "first.fc", "first.act", "second", "second.fc", "second.act"]
    ]
    assert [type(module).__name__ for module in net.children()] == ["Block", "Block"]
    assert len(list(net.modules())) == 7


def test_one_name_means_one_thing():
    net = Net()
    net.first = nn.Parameter(dovetail.zeros(2))
    assert "first" not in dict(net.named_children())
    assert "first" in dict(net.named_parameters(recurse=False))
    net.plain = 3
    net.plain = nn.Linear(1, 1)
    assert "plain" not in net.__dict__
    assert isinstance(net.plain, nn.Linear)


def test_setting_none_keeps_the_place_and_deleting_frees_it():
    net = Net()
    net.scale = None
    assert net.scale is None
    assert "scale" not in net.state_dict()
    del net.scale
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'scale'"):
        _ = net.scale


def test_reassigned_modules_keep_their_position():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    net[0] = nn.Identity()
    assert [type(module).__name__ for module in net] == ["Identity", "ReLU"]


def test_modules_put_into_the_registry_by_hand_are_found():
    net = Net()
    net._modules["first"] = nn.Identity()
    assert isinstance(net.first, nn.Identity)


def test_assigning_before_init_says_what_to_call():
    class Early(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(1, 1)
            super().__init__()

    with pytest.raises(AttributeError, match=r"Early: 'fc' is assigned before .* call super\(\).__init__\(\) first"):
        Early()


def test_calling_without_init_says_what_to_call():
    class Bare(nn.Module):
        def __init__(self) -> None:
            pass

        def forward(self):
            return 1

    with pytest.raises(AttributeError, match=r"Bare.__init__ must call super\(\).__init__\(\) first"):
        Bare()()


def test_a_plain_tensor_cannot_take_a_parameters_place():
    with pytest.raises(TypeError, match=r"Linear.weight holds a Parameter; .* not to Tensor; wrap it: nn.Parameter"):
        nn.Linear(1, 1).weight = dovetail.ones(1, 1)


def test_a_module_cannot_be_replaced_by_a_number_nor_a_buffer_by_a_list():
    with pytest.raises(TypeError, match=r"Net.first holds a Module; it can be set to a Module or None, not to int"):
        Net().first = 3
    with pytest.raises(TypeError, match=r"Block.steps holds a Tensor; it can be set to a Tensor or None, not to list"):
        Block().steps = [1]


def test_a_tensor_assigned_to_a_buffer_becomes_the_buffer():
    block = Block()
    block.steps = dovetail.tensor(7)
    assert block.state_dict()["steps"].item() == 7


def test_registration_refuses_wrong_names_and_kinds():
    net = Net()
    with pytest.raises(KeyError, match=r"must not be empty or contain '\.', got 'a\.b'"):
        net.add_module("a.b", nn.ReLU())
    with pytest.raises(KeyError, match=r"Net already has an attribute 'forward'"):
        net.add_module("forward", nn.ReLU())
    with pytest.raises(KeyError, match=r"Net already has an attribute 'scale'"):
        net.register_buffer("scale", dovetail.ones(1))
    with pytest.raises(TypeError, match=r"submodule 'x' must be an nn.Module or None; got int"):
        net.add_module("x", 3)
    with pytest.raises(TypeError, match=r"buffer 'x' must be a Tensor or None; got int"):
        net.register_buffer("x", 3)
    with pytest.raises(TypeError, match=r"parameter 'x' must be an nn.Parameter or None; got Tensor"):
        net.register_parameter("x", dovetail.ones(1))
    with pytest.raises(TypeError, match=r"the name of a buffer is a string; got int"):
        net.register_buffer(3, None)


def test_get_submodule_parameter_and_buffer_by_dotted_name():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("first.fc") is net.first.fc
    assert net.get_parameter("first.fc.weight") is net.first.fc.weight
    assert net.get_buffer("second.steps") is net.second.steps
    with pytest.raises(AttributeError, match=r"no submodule 'fd' in first \(looking for 'first.fd'\); it has fc, act"):
        net.get_submodule("first.fd")
    with pytest.raises(AttributeError, match=r"no parameter 'w' in first.fc; it has weight, bias"):
        net.get_parameter("first.fc.w")
    with pytest.raises(AttributeError, match=r"no buffer 'x' in Net; it has none"):
        net.get_buffer("x")


def test_set_submodule_replaces_by_dotted_name():
    net = Net()
    net.set_submodule("first.act", nn.Tanh())
    assert isinstance(net.first.act, nn.Tanh)
    with pytest.raises(ValueError, match="needs the name of a submodule; got an empty one"):
        net.set_submodule("", nn.Tanh())


def test_an_attribute_error_inside_a_property_is_not_taken_for_a_missing_attribute():
    class Odd(nn.Module):
        @property
        def width(self):
            return self.missing_thing

    with pytest.raises(AttributeError, match="the property 'width' of Odd raised an AttributeError of its own"):
        _ = Odd().width


def test_dir_lists_what_is_registered():
    assert {"first", "scale"} <= set(dir(Net()))


# Parameters


def test_parameter_shares_its_tensors_memory():
    data = dovetail.zeros(2)
    parameter = nn.Parameter(data)
    data[0] = 5.0
    assert parameter.tolist() == [5.0, 0.0]
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert isinstance(parameter, dovetail.Tensor)


def test_parameter_refuses_what_cannot_need_a_gradient():
    with pytest.raises(
        dovetail.errors.DTypeError, match=r"dtype dovetail.int64 cannot need a gradient; .* \.float\(\)"
    ):
        nn.Parameter(dovetail.tensor([1, 2]))
    assert not nn.Parameter(dovetail.tensor([1, 2]), requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="Parameter wraps a Tensor; got list"):
        nn.Parameter([1.0])


def test_operations_on_a_parameter_give_plain_tensors():
    out = nn.Parameter(dovetail.ones(2)) * 2
    assert type(out) is dovetail.Tensor
    assert out.requires_grad


def test_parameters_are_deep_copied_as_parameters():
    net = Net()
    net.first.fc.weight.note = "kept"
    twin = copy.deepcopy(net)
    assert isinstance(twin.first.fc.weight, nn.Parameter)
    assert twin.first.fc.weight.requires_grad
    assert twin.first.fc.weight.note == "kept"
    with dovetail.no_grad():
        twin.scale.fill_(3)
    assert net.scale.item() == 1.0


def test_buffer_class_registers_itself_and_can_be_left_out_of_the_state():
    module = nn.Module()
    module.kept = nn.Buffer(dovetail.zeros(1))
    module.dropped = nn.Buffer(dovetail.zeros(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "dropped"]
    assert list(module.state_dict()) == ["kept"]


# Calls


def test_keyword_arguments_reach_forward():
    net = Net()
    x = dovetail.ones(1, 3)
    assert dovetail.allclose(net(x, twice=True), net(x) * 2)


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match=r"Module has no forward\(\); define forward\(self, x\)"):
        nn.Module()(1)


def test_hooks_change_arguments_and_output_and_come_off():
    net = nn.Identity()
    before = net.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    after = net.register_forward_hook(lambda module, args, out: out * 10)
    assert net(dovetail.tensor(1.0)).item() == 20.0
    before.remove()
    before.remove()
    assert net(dovetail.tensor(1.0)).item() == 10.0
    with after:
        pass
    assert net(dovetail.tensor(1.0)).item() == 1.0


def test_a_hook_that_returns_one_value_replaces_the_only_argument():
    net = nn.Identity()
    net.register_forward_pre_hook(lambda module, args: args[0] + 1)
    assert net(dovetail.tensor(1.0)).item() == 2.0


def test_hooks_with_keyword_arguments_and_order():
    net, seen = Net(), []
    net.register_forward_pre_hook(lambda m, args, kwargs: (args, {"twice": True}), with_kwargs=True)
    net.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    net.register_forward_hook(lambda m, args, out: seen.append("first"), prepend=True)
    net(dovetail.ones(1, 3))
    assert seen == ["first", {"twice": True}]


# Modes and moves


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    with pytest.raises(ValueError, match=r"train\(\) takes True or False; got str"):
        net.train("yes")


def test_requires_grad_and_zero_grad():
    net = Net()
    net(dovetail.ones(2, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0.0]
    net.zero_grad()
    assert net.scale.grad is None
    assert not any(parameter.requires_grad for parameter in net.requires_grad_(False).parameters())


def test_conversion_keeps_parameters_and_integer_buffers():
    net = Net()
    weight = net.first.fc.weight
    assert net.double() is net
    assert net.first.fc.weight is weight
    assert weight.dtype is dovetail.float64
    assert net.first.steps.dtype is dovetail.int64
    assert net.to(dovetail.float32).scale.dtype is dovetail.float32
    assert net.half().scale.dtype is dovetail.float16
    assert net.bfloat16().scale.dtype is dovetail.bfloat16
    assert net.float().cpu().scale.dtype is dovetail.float32
    assert net.to(dovetail.zeros(1, dtype=dovetail.float64)).scale.dtype is dovetail.float64


def test_conversion_takes_gradients_along():
    net = nn.Linear(2, 2)
    net(dovetail.ones(1, 2)).sum().backward()
    assert net.double().weight.grad.dtype is dovetail.float64


def test_conversion_to_integers_is_refused():
    with pytest.raises(dovetail.errors.DTypeError, match=r"floating-point or complex dtypes only; got dovetail.int64"):
        Net().to(dovetail.int64)
    with pytest.raises(TypeError, match=r"Module.to\(\) takes device, dtype and non_blocking; got colour"):
        Net().to(colour="red")


def test_an_unknown_device_is_told():
    with pytest.raises(dovetail.errors.DeviceError, match="no backend 'acme9'"):
        Net().to("acme9")


def test_apply_goes_from_the_inside_out():
    seen = []
    net = Net()
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Block", "Linear", "ReLU", "Block", "Net"]


# Printing


def test_printing_nests():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Block(\n"
        "    (fc): Linear(in_features=3, out_features=3, bias=True)\n"
        "    (act): ReLU()\n"
        "  )\n"
        "  (second): Block(\n"
        "    (fc): Linear(in_features=3, out_features=3, bias=True)\n"
        "    (act): ReLU()\n"
        "  )\n"
        ")"
    )


def test_extra_repr_stands_in_the_line_or_above_the_children():
    class Leaf(nn.Module):
        def extra_repr(self):
            return "size=3"

    class Branch(Leaf):
        def __init__(self):
            super().__init__()
            self.leaf = Leaf()

    assert repr(Leaf()) == "Leaf(size=3)"
    assert repr(Branch()) == "Branch(\n  size=3\n  (leaf): Leaf(size=3)\n)"

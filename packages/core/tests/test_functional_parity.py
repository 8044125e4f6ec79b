"""``autograd.functional`` and ``saved_tensors_hooks`` beside PyTorch's."""

import pytest

pytestmark = pytest.mark.parity


def one(lib):
    return lib.tensor([1.0, 2.0, 0.5], dtype=lib.float64)


def two(lib):
    return one(lib), lib.tensor([[0.3, -1.0, 2.0], [1.0, 0.7, -0.2]], dtype=lib.float64)


FUNCTIONS = {
    "single": lambda lib, x: x.exp() * x,
    "scalar": lambda lib, x: (x**3).sum(),
    "several": lambda lib, x: (x.sin(), (x * x).sum(), x[1:]),
    "matrix": lambda lib, x: x.reshape(3, 1) * x,
    "constant": lambda lib, x: lib.ones(2),
    "linear": lambda lib, x: x.sum() * 2,
    "two": lambda lib, x, y: (x * y).sin(),
    "two and several": lambda lib, x, y: (y @ x, x * 2),
    "two to one": lambda lib, x, y: (x**2 * y.exp()).sum(),
    "one unused": lambda lib, x, y: (x**3).sum(),
}
SINGLE = ["single", "scalar", "several", "matrix", "constant", "linear"]
PAIR = ["two", "two and several", "two to one", "one unused"]


def inputs_of(lib, name):
    return two(lib) if name in PAIR else one(lib)


def vectors(lib, like):
    if isinstance(like, (tuple, list)):
        return tuple(vectors(lib, part) for part in like)
    return (lib.arange(like.numel()) + 1).reshape(like.shape).to(like.dtype)


@pytest.mark.parametrize("name", SINGLE + PAIR)
@pytest.mark.parametrize("what", ["jacobian", "vjp", "jvp", "hessian", "hvp", "vhp"])
@pytest.mark.parametrize("strict", [False, True])
def test_values_and_refusals(agree, name, what, strict):
    def program(lib):
        def function(*values):
            return FUNCTIONS[name](lib, *values)

        inputs, call = inputs_of(lib, name), getattr(lib.autograd.functional, what)
        if what in ("jacobian", "hessian"):
            return call(function, inputs, strict=strict)
        plain = function(*(inputs if isinstance(inputs, tuple) else (inputs,)))
        return call(function, inputs, vectors(lib, plain if what == "vjp" else inputs), strict=strict)

    agree(program)


@pytest.mark.parametrize("name", ["single", "several", "two", "two and several"])
@pytest.mark.parametrize("what", ["jacobian", "vjp", "jvp"])
def test_results_that_are_differentiated(agree, name, what):
    def program(lib):
        def function(*values):
            return FUNCTIONS[name](lib, *values)

        inputs = inputs_of(lib, name)
        leaves = [part.requires_grad_() for part in (inputs if isinstance(inputs, tuple) else (inputs,))]
        call = getattr(lib.autograd.functional, what)
        more = () if what == "jacobian" else (vectors(lib, function(*leaves) if what == "vjp" else inputs),)
        found = call(function, inputs, *more, create_graph=True)
        total = sum((part**2).sum() for part in flat(found))
        return found, lib.autograd.grad(total, leaves)

    agree(program)


@pytest.mark.parametrize("what", ["hessian", "hvp", "vhp"])
def test_third_derivatives(agree, what):
    def program(lib):
        inputs = tuple(part.requires_grad_() for part in two(lib))
        call = getattr(lib.autograd.functional, what)
        more = () if what == "hessian" else (vectors(lib, inputs),)
        found = call(lambda x, y: (x**3 * y.exp()).sum(), inputs, *more, create_graph=True)
        return found, lib.autograd.grad(sum((part**2).sum() for part in flat(found)), inputs)

    agree(program)


def flat(value):
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, x: f.jacobian(lambda a: a, [x]), ["jacobian", "inputs", "tuple of tensors", "list"]),
        (lambda f, x: f.jacobian(lambda a: a, 3), ["jacobian", "inputs", "int"]),
        (lambda f, x: f.jacobian(lambda a: [a], x), ["jacobian", "outputs of the user-provided function", "list"]),
        (lambda f, x: f.jacobian(lambda a: (a, 3), x), ["jacobian", "outputs of the user-provided function", "int"]),
        (lambda f, x: f.jacobian(lambda a: a, x, strict=True, vectorize=True), ["strict=True", "together"]),
        (lambda f, x: f.vjp(lambda a: a * 1, x), ["v can only be None", "single element"]),
        (lambda f, x: f.jvp(lambda a: a * 1, x), ["v can only be None", "single element"]),
        (lambda f, x: f.vjp(lambda a: a * 1, x, x[:2]), ["v has invalid size", "3", "2"]),
        (lambda f, x: f.vjp(lambda a: (a * 1, a * 2), x, x), ["v ", "2", "1"]),
        (lambda f, x: f.vjp(lambda a: a * 1, x, 3), ["v given to vjp", "int"]),
        (lambda f, x: f.hessian(lambda a: a * 1, x), ["hessian", "single element"]),
        (lambda f, x: f.hvp(lambda a: (a.sum(), a.sum()), x, x), ["hvp", "single tensor"]),
        (lambda f, x: f.vhp(lambda a: a.sum(), x), ["v can only be None"]),
    ],
)
def test_wrong_arguments(agree, call, words):
    agree(lambda lib: call(lib.autograd.functional, one(lib)), *words)


def test_vectors_that_may_be_left_out(agree):
    agree(lambda lib: lib.autograd.functional.vjp(lambda x: x.exp().sum(), one(lib)))
    agree(lambda lib: lib.autograd.functional.jvp(lambda x: x.exp(), one(lib)[:1]))
    agree(lambda lib: lib.autograd.functional.hvp(lambda x: (x**3).sum(), one(lib)[:1]))


def test_inputs_are_left_as_they_are(agree):
    def program(lib):
        x = one(lib)
        lib.autograd.functional.jacobian(lambda a: a.exp(), x)
        with lib.no_grad():
            found = lib.autograd.functional.hessian(lambda a: (a**3).sum(), x)
        return x.requires_grad, x.grad, found

    agree(program)


# Packing what is saved


def test_packing_sees_what_is_saved_and_unpacking_replaces_it(agree):
    def program(lib):
        log, x, z = [], one(lib).requires_grad_(), one(lib)

        def pack(tensor):
            log.append(("pack", tensor.tolist()))
            return tensor * 2

        with lib.autograd.graph.saved_tensors_hooks(pack, lambda kept: (log.append("unpack"), kept)[1]):
            y = (x * z).exp()
        y.sum().backward()
        return log, x.grad

    agree(program)


def test_packed_tensors_keep_their_history(agree):
    def program(lib):
        x = one(lib).requires_grad_()
        with lib.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.tolist(), lambda kept: remade(lib, kept)):
            y = (x * x * 2).exp() * x
            with lib.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
                y = y.sin()
        (first,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        return first, lib.autograd.grad(first.sum(), x)

    agree(program)


def remade(lib, values):
    return lib.tensor(values, dtype=lib.float64)


def test_packing_for_a_function_and_a_list_of_tensors(agree):
    def program(lib):
        class Square(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                return 2 * g * ctx.saved_tensors[0]

        x = one(lib).requires_grad_()
        with lib.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.tolist(), lambda kept: remade(lib, kept)):
            y = Square.apply(x)
        with lib.autograd.graph.save_on_cpu():
            z = lib.cat([y, x]).exp()
        z.sum().backward()
        return x.grad

    agree(program)


@pytest.mark.parametrize(
    ("pack", "unpack", "words"),
    [
        (lambda tensor: tensor, lambda kept: 3, ["unpack", "hook", "tensor", "int"]),
        (lambda tensor: tensor.mul_(2), lambda kept: kept, ["pack hook"]),
    ],
)
def test_hooks_that_are_refused(agree, pack, unpack, words):
    def program(lib):
        x = one(lib).requires_grad_()
        with lib.autograd.graph.saved_tensors_hooks(pack, unpack):
            y = x.exp() * x
        y.sum().backward()

    agree(program, *words)

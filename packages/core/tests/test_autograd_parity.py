"""backward and grad beside PyTorch: what is filled, what is refused, and in what words."""

import warnings

import pytest

pytestmark = pytest.mark.parity


def leaf(lib, *values):
    return lib.tensor([float(value) for value in values or (1, 2, 3)], requires_grad=True)


# Assigning grad


def assigned(make):
    def program(lib):
        x = leaf(lib)
        x.grad = make(lib, x)
        return x.grad

    return program


def test_grad_can_be_assigned_and_deleted(agree):
    def program(lib):
        x, plain = leaf(lib), lib.ones(3)
        x.grad = lib.ones(3)
        plain.grad = lib.full((3,), 2.0)
        (x * x).sum().backward()
        first = x.grad.tolist()
        del x.grad
        plain.grad = None
        return first, x.grad, plain.grad

    agree(program)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda lib, x: 3, ["grad", "tensor or none", "int"]),
        (lambda lib, x: [1.0, 2.0, 3.0], ["grad", "tensor or none", "list"]),
        (lambda lib, x: lib.ones(3).double(), ["dtype", "float"]),
        (lambda lib, x: lib.ones(2), ["size", "2", "3"]),
        (lambda lib, x: x, ["its own grad"]),
    ],
)
def test_grads_that_do_not_fit(agree, make, words):
    agree(assigned(make), *words)


def test_an_integer_tensor_takes_integer_grads_only(agree):
    def program(lib):
        x = lib.tensor([1, 2])
        x.grad = lib.tensor([3, 4])
        good = x.grad.tolist()
        x.grad = lib.ones(2)
        return good

    agree(program, "dtype")


# Leaves and computed tensors


def test_the_grad_of_a_computed_tensor_is_a_warning(agree):
    agree(lambda lib: (leaf(lib) * 2).grad, warns=True)


def test_no_warning_where_the_grad_is_there_or_will_be(agree):
    def program(lib):
        x = leaf(lib)
        kept, given = x * 2, x * 3
        kept.retain_grad()
        before = kept.grad
        given.grad = lib.ones(3)
        (kept * kept).sum().backward()
        return before, kept.grad, given.grad, kept.retains_grad, given.retains_grad, x.retains_grad

    agree(program)


def test_a_retained_grad_adds_up_and_follows_in_place_operations(agree):
    def program(lib):
        x = leaf(lib)
        y = x * 2
        y.retain_grad()
        y.sum().backward(retain_graph=True)
        (y * y).sum().backward()
        z = x * 2
        z.retain_grad()
        z.mul_(5)
        z.sum().backward()
        whole = x * 1
        part = whole[1:]
        part.retain_grad()
        whole.retain_grad()
        part.mul_(3)
        (whole * whole).sum().backward()
        return y.grad, z.grad, z.retains_grad, x.grad, whole.grad, part.retains_grad

    agree(program)


def test_retaining_without_a_gradient(agree):
    agree(lambda lib: lib.ones(3).retain_grad(), "retain_grad", "require")
    agree(lambda lib: leaf(lib).retain_grad())


# Where backward starts


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda lib, y: y.backward(), ["grad can be implicitly created only for scalar outputs"]),
        (lambda lib, y: y.backward(lib.ones(2)), ["3"]),
        (lambda lib, y: y.backward(lib.ones(1)), ["3"]),
        (lambda lib, y: y.backward(lib.ones(3, 1)), ["3"]),
        (lambda lib, y: y.backward(lib.ones(3).to(lib.complex64)), ["complex"]),
        (lambda lib, y: lib.autograd.backward([y], [3.0]), ["gradients can be either tensors or none", "float"]),
        (lambda lib, y: lib.autograd.backward([y.sum(), y.sum()], [None]), ["got 2 tensors and 1 gradients"]),
        (lambda lib, y: y.detach().sum().backward(), ["does not require grad and does not have a grad_fn"]),
        (lambda lib, y: y.sum().backward(inputs=[]), ["inputs", "empty"]),
        (lambda lib, y: y.sum().backward(inputs=[lib.ones(3)]), ["grad"]),
        (lambda lib, y: lib.autograd.grad(y.sum(), []), ["inputs", "empty"]),
        (lambda lib, y: lib.autograd.grad(y.sum(), lib.ones(3)), ["does not require grad"]),
        (lambda lib, y: lib.autograd.grad(y.sum(), lib.ones(3), allow_unused=True), ["does not require grad"]),
        (lambda lib, y: lib.autograd.grad(y.sum(), leaf(lib)), ["allow_unused=True"]),
        (
            lambda lib, y: lib.autograd.grad(y.sum(), leaf(lib), allow_unused=False, materialize_grads=True),
            ["materialize_grads=True", "allow_unused=False"],
        ),
    ],
)
def test_what_backward_refuses(agree, call, words):
    def program(lib):
        return call(lib, leaf(lib) * 2)

    agree(program, *words)


@pytest.mark.parametrize("kind", ["float64", "float16", "int64"])
def test_a_starting_gradient_of_another_dtype_is_converted(agree, kind):
    def program(lib):
        x = leaf(lib)
        (x * 2).backward(lib.ones(3).to(getattr(lib, kind)))
        return x.grad

    agree(program)


def test_none_stands_for_the_gradient_of_one_element(agree):
    def program(lib):
        x = leaf(lib)
        lib.autograd.backward([x.sum(), (x * x).sum(), x * 3], [None, lib.tensor(2.0), lib.ones(3)])
        return x.grad, lib.autograd.grad([x.sum(), x * x], x, (None, lib.ones(3)))

    agree(program)


def test_going_backward_twice(agree):
    def program(lib):
        x = leaf(lib)
        loss = (x * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        loss.backward()

    agree(program, "backward", "second time", "retain_graph=True")


def test_backward_of_chosen_inputs(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib, 4, 5, 6)
        y = x * w
        z = y * 2
        z.sum().backward(inputs=[w, y], retain_graph=True)
        first = w.grad.tolist(), y.grad.tolist(), x.grad
        z.sum().backward(inputs=x)
        return first, x.grad, w.grad, y.grad, y.retains_grad

    agree(program)


def test_create_graph(agree):
    def program(lib):
        x = leaf(lib)
        (x**3).sum().backward(create_graph=True)
        first = x.grad
        x.grad = None
        (first * first).sum().backward()
        return first.requires_grad, x.grad, x.grad.requires_grad

    def quietly(lib):
        with warnings.catch_warnings():  # of PyTorch, that this is a reference cycle; Python frees those
            warnings.simplefilter("ignore" if lib.__name__ == "torch" else "error")
            return program(lib)

    agree(quietly)


def test_accumulation(agree):
    def program(lib):
        x = leaf(lib)
        given = lib.ones(3)
        (x * 1).backward(given)
        first = x.grad
        (x * 2).backward(given)
        shared = x.grad is first
        x.grad = lib.zeros(3)
        (x * 3).backward(given)
        return shared, x.grad, given, lib.autograd.grad([x.sum(), x.sum()], [x, x])

    agree(program)


def test_batches_of_gradients(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib, 4, 5, 6)
        y = x * x
        (rows,) = lib.autograd.grad(y, x, lib.eye(3), is_grads_batched=True, retain_graph=True)
        unused = lib.autograd.grad(y, [x, w], lib.eye(3), is_grads_batched=True, allow_unused=True)
        return rows, unused[1]

    agree(program)


def test_materialized_and_unused(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib, 4, 5)
        return (
            lib.autograd.grad((x * x).sum(), [x, w], allow_unused=True),
            lib.autograd.grad((x * x).sum(), [x, w], materialize_grads=True),
        )

    agree(program)


def test_the_graph_can_be_walked(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib)
        y = (x * w).sum()
        node = y.grad_fn
        ((product, index),) = node.next_functions
        leaves = [
            function.variable is tensor for (function, _), tensor in zip(product.next_functions, (x, w), strict=True)
        ]
        (first, _), other = (x * 2).grad_fn.next_functions
        names = node.name(), product.name(), first.name().split("::")[-1]
        return names, index, leaves, first == product.next_functions[0][0], first.next_functions, other

    agree(program)


def test_variable(agree):
    def program(lib):
        x = lib.autograd.Variable(lib.ones(2), requires_grad=True)
        return x, isinstance(lib.ones(1), lib.autograd.Variable), isinstance(3, lib.autograd.Variable), x.is_leaf

    agree(program)

"""``autograd.Function`` beside PyTorch's: what forward and backward may do, and what is refused."""

import pytest

pytestmark = pytest.mark.parity


def leaf(lib, *values):
    return lib.tensor([float(value) for value in values or (1, 2, 3)], requires_grad=True)


def function(lib, **methods):
    made = {name: staticmethod(method) for name, method in methods.items()}
    return type("Made", (lib.autograd.Function,), made)


def square(lib):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    return function(lib, forward=forward, backward=lambda ctx, g: 2 * g * ctx.saved_tensors[0])


def exponential(lib):
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    return function(lib, forward=forward, backward=lambda ctx, g: g * ctx.saved_tensors[0])


@pytest.mark.parametrize("make", [square, exponential])
def test_gradients_of_three_orders(agree, make):
    def program(lib):
        x = leaf(lib)
        y = make(lib).apply(x * 1)
        found = [y]
        for _ in range(3):
            found += lib.autograd.grad(found[-1].sum(), x, create_graph=True)
        return found, y.grad_fn.name()

    agree(program)


def scaled(lib, **more):
    def forward(ctx, x, factor, y=None):
        ctx.factor = factor
        return x * factor

    return function(lib, forward=forward, **more)


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (lambda ctx, g: g, ["incorrect number of gradients (expected 2, got 1)"]),
        (lambda ctx, g: (g, None, g), ["incorrect number of gradients (expected 2, got 3)"]),
        (lambda ctx, g: (g, g), ["None at position 2"]),
        (lambda ctx, g: (g[:2], None), ["returned an invalid gradient at index 0", "2", "3"]),
        (lambda ctx, g: (5, None), ["None", "int"]),
    ],
)
def test_gradients_that_backward_may_not_return(agree, backward, words):
    agree(lambda lib: scaled(lib, backward=backward).apply(leaf(lib), 3).sum().backward(), *words)


@pytest.mark.parametrize(
    "backward",
    [
        lambda ctx, g: (g * ctx.factor, None),
        lambda ctx, g: (g * ctx.factor, None, None, None),
        lambda ctx, g: (g.expand(2, 3), None),
        lambda ctx, g: (g.double(), None),
        lambda ctx, g: (None, None),
    ],
)
def test_gradients_that_backward_may_return(agree, backward):
    def program(lib):
        x = leaf(lib)
        y = scaled(lib, backward=backward).apply(x, 3)
        y.sum().backward()
        return y, x.grad

    agree(program)


def test_methods_that_are_missing(agree):
    agree(lambda lib: scaled(lib).apply(leaf(lib), 3).sum().backward(), "backward", "vjp")
    agree(lambda lib: function(lib).apply(leaf(lib)), "forward")
    agree(lambda lib: scaled(lib, vjp=lambda ctx, g: (g, None)).apply(leaf(lib), 3).sum().backward())


def test_an_object_is_a_warning_and_cannot_be_called(agree):
    agree(lambda lib: (scaled(lib)(), 0)[1], warns=True)
    agree(lambda lib: scaled(lib)()(leaf(lib)), "function")


def several(lib, log, materialize=True):
    def forward(ctx, x, y, k):
        log.append(ctx.needs_input_grad)
        ctx.set_materialize_grads(materialize)
        index = x.argmax()
        ctx.mark_non_differentiable(index)
        return x * k, index, x + y, None, "name"

    def backward(ctx, *grads):
        log.append([None if g is None else g.tolist() for g in grads])
        total = sum(g for g in (grads[0], grads[2]) if g is not None)
        return total, None, None

    return function(lib, forward=forward, backward=backward)


@pytest.mark.parametrize("materialize", [True, False])
@pytest.mark.parametrize("used", [(0,), (2,), (0, 2)])
def test_several_results(agree, materialize, used):
    def program(lib):
        log, x = [], leaf(lib)
        results = several(lib, log, materialize).apply(x, lib.ones(3), 3)
        sum(results[place].sum() for place in used).backward()
        with lib.no_grad():
            plain = several(lib, log).apply(x, lib.ones(3), 3)
        kinds = [isinstance(part, lib.Tensor) and part.requires_grad for part in results]
        return log, kinds, results[3:], plain[0].requires_grad, x.grad

    agree(program)


def test_setup_context(agree):
    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output)
        ctx.k = inputs[1]

    def program(lib):
        made = function(
            lib,
            forward=lambda x, k=3: x**k,
            setup_context=setup,
            backward=lambda ctx, g: (g * ctx.k * ctx.saved_tensors[1] / ctx.saved_tensors[0], None),
        )
        x = leaf(lib)
        y = made.apply(x) + made.apply(x, k=2) + made.apply(x, 4)
        (first,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        return y, first, lib.autograd.grad(first.sum(), x)

    agree(program)


def test_arguments_by_name(agree):
    agree(lambda lib: square(lib).apply(x=leaf(lib)))


def test_saving(agree):
    def forward(ctx, x):
        ctx.save_for_backward(None, x)
        return x * 2

    def program(lib):
        log = []
        made = function(lib, forward=forward, backward=lambda ctx, g: (log.append(ctx.saved_tensors), g)[1])
        made.apply(leaf(lib)).sum().backward()
        return log

    agree(program)
    wrong = lambda ctx, x: (ctx.save_for_backward(3), x * 2)[1]  # noqa: E731
    agree(lambda lib: function(lib, forward=wrong).apply(leaf(lib)), "save_for_backward", "argument 0", "int")


def test_saved_tensors_that_are_gone_or_changed(agree):
    def twice(lib):
        y = square(lib).apply(leaf(lib)).sum()
        y.backward()
        y.backward()

    def changed(lib):
        x = leaf(lib) * 1
        y = square(lib).apply(x).sum()
        x.add_(1)
        y.backward()

    def changed_result(lib):
        y = exponential(lib).apply(leaf(lib) * 1)
        y.add_(1)
        y.sum().backward()

    agree(twice, "backward", "second time", "retain_graph=True")
    agree(changed, "has been modified by an in", "is at version 1", "expected version 0")
    agree(changed_result, "has been modified by an in", "is at version 1", "expected version 0")


def test_a_function_that_saved_nothing_runs_again(agree):
    def program(lib):
        x = leaf(lib)
        y = scaled(lib, backward=lambda ctx, g: (g * ctx.factor, None)).apply(x, 3).sum()
        y.backward()
        y.backward()
        return x.grad

    agree(program)


def doubling(lib):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    return function(lib, forward=forward, backward=lambda ctx, g: g * 2)


def test_writing_to_an_argument(agree):
    def program(lib):
        x = leaf(lib)
        y = x * 1
        out = doubling(lib).apply(y)
        (out * out).sum().backward()
        first, x.grad = x.grad.tolist(), None
        y = x * 1
        doubling(lib).apply(y[:2])
        y.sum().backward()
        return out is y, first, y, x.grad

    agree(program)


def test_writing_that_is_refused(agree):
    unreturned = lambda ctx, x: (ctx.mark_dirty(x), x * 2)[1]  # noqa: E731
    agree(lambda lib: doubling(lib).apply(leaf(lib)), "leaf", "in-place operation")
    agree(lambda lib: function(lib, forward=unreturned).apply(leaf(lib) * 1), "dirty", "return")


@pytest.mark.parametrize("forward", [lambda ctx, x: x, lambda ctx, x: x[:2], lambda ctx, x: x.view(3)])
def test_results_on_an_arguments_memory(agree, forward):
    def backward(ctx, g):
        return g.new_ones(3) * 7

    def program(lib):
        x = leaf(lib)
        out = function(lib, forward=forward, backward=backward).apply(x)
        (out * 1).sum().backward()
        return out is x, out, x.grad

    def written(lib):
        out = function(lib, forward=forward, backward=backward).apply(leaf(lib) * 1)
        out.mul_(2)

    agree(program)
    agree(written, "view", "function", "clon")


def test_once_differentiable(agree):
    def made(lib):
        once = lib.autograd.function.once_differentiable(lambda ctx, g: 2 * g * ctx.saved_tensors[0])
        return function(lib, forward=lambda ctx, x: (ctx.save_for_backward(x), x * x)[1], backward=once)

    def twice(lib):
        x = leaf(lib)
        (first,) = lib.autograd.grad((made(lib).apply(x) ** 2).sum(), x, create_graph=True)
        first.sum().backward()

    agree(lambda lib: lib.autograd.grad(made(lib).apply(x := leaf(lib)).sum(), x, create_graph=True))
    agree(twice, "twice", "once_differentiable")


def test_inside_backward(agree):
    def program(lib):
        log = []

        def backward(ctx, g):
            log.append((lib.is_grad_enabled(), ctx.needs_input_grad, ctx.factor))
            return g * ctx.factor, None

        x = leaf(lib)
        y = scaled(lib, backward=backward).apply(x, 3)
        y.sum().backward(retain_graph=True)
        lib.autograd.grad(y.sum(), x, create_graph=True)
        return log, y.grad_fn.factor

    agree(program)


def test_hooks_on_a_function(agree):
    def program(lib):
        log, x = [], leaf(lib)
        y = square(lib).apply(x)
        y.register_hook(lambda g: g * 10)
        y.grad_fn.register_hook(lambda inputs, outputs: log.append((inputs[0].tolist(), outputs[0].tolist())))
        y.retain_grad()
        y.sum().backward()
        return log, y.grad, x.grad

    agree(program)

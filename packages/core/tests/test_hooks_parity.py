"""Hooks beside PyTorch: the order, what they see, what they may change, and that they follow in-place operations."""

import pytest

pytestmark = pytest.mark.parity


def leaf(lib, *values):
    return lib.tensor([float(value) for value in values or (1, 2, 3)], requires_grad=True)


def seen(log, name, change=lambda grad: None):
    def hook(grad):
        log.append((name, grad.tolist()))
        return change(grad)

    return hook


def test_the_order_of_all_kinds(agree):
    def program(lib):
        log, x = [], leaf(lib)
        y = x * 2
        y.retain_grad()
        y.register_hook(seen(log, "first", lambda grad: grad * 10))
        y.register_hook(seen(log, "second", lambda grad: grad * 10))
        y.grad_fn.register_prehook(lambda grads: log.append(("before", [grad.tolist() for grad in grads])))
        y.grad_fn.register_hook(lambda inputs, outputs: log.append(("after", inputs[0].tolist(), outputs[0].tolist())))
        x.register_hook(seen(log, "leaf", lambda grad: grad + 1))
        x.register_post_accumulate_grad_hook(lambda tensor: log.append(("accumulated", tensor.grad.tolist())))
        y.sum().backward()
        return log, y.grad, x.grad

    agree(program)


def test_hooks_when_gradients_are_only_asked_for(agree):
    def program(lib):
        log, x = [], leaf(lib)
        y = x * 2
        y.retain_grad()
        y.register_hook(seen(log, "computed", lambda grad: grad * 10))
        y.grad_fn.register_prehook(lambda grads: log.append("node"))
        x.register_hook(seen(log, "leaf", lambda grad: grad + 1))
        x.register_post_accumulate_grad_hook(lambda tensor: log.append("accumulated"))
        of_y = lib.autograd.grad(y.sum(), y, retain_graph=True)
        of_x = lib.autograd.grad(y.sum(), x)
        return log, of_y, of_x, y.grad, x.grad

    agree(program)


def test_a_leafs_hook_sees_its_whole_gradient_once(agree):
    def program(lib):
        log, x, w = [], leaf(lib), leaf(lib, 4, 5, 6)
        for name, tensor in (("x", x), ("w", w)):
            tensor.register_hook(seen(log, name))
            tensor.register_post_accumulate_grad_hook(lambda tensor: log.append(tensor.grad.tolist()))
        early = (x * w).tanh()
        middle = early.register_hook(seen(log, "early"))
        late = early * x + early.relu() * 2
        late.register_hook(seen(log, "late"))
        (late * x).sum().backward()
        middle.remove()
        lib.autograd.backward([x, x.sum()], [lib.ones(3), None])
        return log

    agree(program)


def test_removal(agree):
    def program(lib):
        log, x = [], leaf(lib)
        first = x.register_hook(seen(log, "first", lambda grad: grad * 2))
        second = x.register_hook(seen(log, "second", lambda grad: grad * 3))
        x.sum().backward()
        first.remove()
        first.remove()
        x.sum().backward()
        with second:
            pass
        x.sum().backward()
        return log, x.grad

    agree(program)


def test_in_place_operations_between_hooks(agree):
    def program(lib):
        log, x = [], leaf(lib)
        y = x * 2
        y.register_hook(seen(log, "before"))
        y.mul_(5)
        y.register_hook(seen(log, "after"))
        y[1:].add_(1)
        y.register_hook(seen(log, "last"))
        (y * y).sum().backward()
        return log, x.grad

    agree(program)


def test_one_of_several_results(agree):
    def program(lib):
        log, x = [], leaf(lib, 3, 1, 2)
        values, order = x.sort()
        values.register_hook(seen(log, "values", lambda grad: grad * 10))
        values.retain_grad()
        (values * lib.tensor([1.0, 2.0, 3.0])).sum().backward()
        return log, values.grad, x.grad, order.requires_grad

    agree(program)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda lib: 1, ["hook", "int"]),
        (lambda lib: lib.ones(2), ["hook", "has changed the size"]),
        (lambda lib: lib.ones(3).double(), ["hook", "has changed the type"]),
    ],
)
@pytest.mark.parametrize("computed", [True, False])
def test_what_a_hook_may_not_return(agree, make, words, computed):
    def program(lib):
        x = leaf(lib)
        y = x * 2 if computed else x
        y.register_hook(lambda grad: make(lib))
        (y * 2).sum().backward()

    agree(program, *words)


def test_what_an_accumulation_hook_may_not_do(agree):
    def returns(lib):
        x = leaf(lib)
        x.register_post_accumulate_grad_hook(lambda tensor: 1)
        x.sum().backward()

    agree(returns, "hook", "int")
    agree(lambda lib: (leaf(lib) * 2).register_post_accumulate_grad_hook(print), "leaf")


def test_tensors_that_need_no_gradient_take_no_hook(agree):
    agree(lambda lib: lib.ones(3).register_hook(print), "requir", "grad")
    agree(lambda lib: lib.ones(3).register_post_accumulate_grad_hook(print), "requir", "grad")


def test_an_error_in_a_hook_comes_out_of_backward(agree):
    def program(lib):
        x = leaf(lib)
        x.register_hook(lambda grad: [][0])
        x.sum().backward()

    agree(program, "list index out of range")


def test_nodes_hooks_change_gradients(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib, 4, 5, 6)
        y = x * w
        y.grad_fn.register_prehook(lambda grads: (grads[0] * 3,))
        y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, inputs[1]))
        handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0], inputs[1] * 100))
        y.sum().backward(retain_graph=True)
        handle.remove()
        first = x.grad.tolist(), w.grad.tolist()
        y.sum().backward()
        return first, x.grad, w.grad

    agree(program)


def test_hooks_are_part_of_the_graph_of_a_gradient(agree):
    def program(lib):
        x = leaf(lib)
        y = x * x
        y.register_hook(lambda grad: grad * y)
        (first,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad(first.sum(), x)
        return first, second

    agree(program)


def test_the_optimizer_in_the_backward_pass(agree):
    def program(lib):
        x, w = leaf(lib), leaf(lib, 4, 5, 6)

        def step(tensor):
            with lib.no_grad():
                tensor -= 0.1 * tensor.grad
            tensor.grad = None

        for tensor in (x, w):
            tensor.register_post_accumulate_grad_hook(step)
        for _ in range(3):
            (x + w).pow(2).sum().backward()
        return x, w, x.grad

    agree(program)


def test_a_hook_that_clips_and_one_that_logs(agree):
    def program(lib):
        log, x = [], leaf(lib)
        hidden = (x * 3).sigmoid()
        hidden.register_hook(lambda grad: grad.clamp(-0.1, 0.1))
        hidden.register_hook(lambda grad: log.append(float(grad.max())))
        ((hidden - 1) ** 2).sum().backward(inputs=[x])
        return log, x.grad

    agree(program)

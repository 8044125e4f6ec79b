"""The programs of docs/func.md."""

import pytest

import dovetail


def test_per_sample_gradients():
    # region: per-sample
    from dovetail import nn
    from dovetail.func import functional_call, grad, vmap

    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    parameters = {name: value.detach() for name, value in net.named_parameters()}

    def loss(parameters, x, label):
        scores = functional_call(net, parameters, (x.unsqueeze(0),))
        return nn.functional.cross_entropy(scores, label.unsqueeze(0))

    xs, labels = dovetail.randn(16, 4), dovetail.randint(0, 3, (16,))
    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, xs, labels)
    weight = gradients["0.weight"]  # (16, 8, 4): a gradient for each of 16 samples
    # endregion
    assert tuple(weight.shape) == (16, 8, 4)
    alone = grad(loss)(parameters, xs[3], labels[3])
    assert dovetail.allclose(gradients["0.weight"][3], alone["0.weight"], atol=1e-6)


def test_second_derivatives():
    # region: hessian
    from dovetail.func import hessian, jacfwd, jacrev, vmap

    def energy(x):
        return (x**4).sum() + x.prod()

    x = dovetail.tensor([1.0, 2.0, 3.0])
    hessian(energy)(x)  # (3, 3)
    jacfwd(jacrev(energy))(x)  # the same, in the steps that hessian takes
    vmap(hessian(energy))(dovetail.randn(10, 3))  # (10, 3, 3)
    # endregion
    assert hessian(energy)(x).tolist() == [[12.0, 3.0, 2.0], [3.0, 48.0, 1.0], [2.0, 1.0, 108.0]]
    assert dovetail.equal(hessian(energy)(x), jacfwd(jacrev(energy))(x))


def test_ensemble():
    # region: ensemble
    from dovetail import nn
    from dovetail.func import functional_call, stack_module_state, vmap

    models = [nn.Linear(4, 2) for _ in range(5)]
    parameters, buffers = stack_module_state(models)

    def predict(parameters, buffers, x):
        return functional_call(models[0], (parameters, buffers), (x,))

    xs = dovetail.randn(16, 4)
    vmap(predict, in_dims=(0, 0, None))(parameters, buffers, xs)  # (5, 16, 2), of five models at once
    # endregion
    found = vmap(predict, in_dims=(0, 0, None))(parameters, buffers, xs)
    assert dovetail.allclose(found[2], models[2](xs), atol=1e-6)


def test_each_sample_has_its_own_numbers():
    # region: where
    from dovetail.func import vmap

    def steep(x):
        return dovetail.where(x > 0, x * x, -x)  # not: x * x if x > 0 else -x

    vmap(steep)(dovetail.tensor([-1.0, 3.0]))
    # endregion
    assert vmap(steep)(dovetail.tensor([-1.0, 3.0])).tolist() == [1.0, 9.0]
    with pytest.raises(RuntimeError, match=r"use operations that need no numbers, such as dovetail\.where"):
        vmap(lambda x: x * x if x > 0 else -x)(dovetail.tensor([-1.0, 3.0]))

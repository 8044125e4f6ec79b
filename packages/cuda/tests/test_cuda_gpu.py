"""The real thing, where there is a GPU; elsewhere these are skipped with the reason."""

import numpy as np
import pytest

import dovetail
import dovetail.cuda

missing = dovetail.cuda.CudaBackend().missing()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(missing is not None, reason=f"no CUDA: {missing}")]


def test_copy_there_and_back():
    x = dovetail.arange(6.0).reshape(2, 3)
    there = x.to("cuda")
    assert there.device.type == "cuda"
    np.testing.assert_array_equal(there.cpu().numpy(), x.numpy())


def test_a_net_learns_as_on_the_cpu():
    def losses(device):
        dovetail.manual_seed(0)
        x, y = dovetail.randn(32, 4).to(device), dovetail.randn(32, 1).to(device)
        first = dovetail.randn(4, 16).to(device).requires_grad_()
        second = dovetail.randn(16, 1).to(device).requires_grad_()
        found = []
        for _ in range(20):
            loss = (((x @ first).relu() @ second - y) ** 2).mean()
            loss.backward()
            with dovetail.no_grad():
                for weight in (first, second):
                    weight -= 0.01 * weight.grad
                    weight.grad = None
            found.append(loss.item())
        return found

    np.testing.assert_allclose(losses("cuda"), losses("cpu"), rtol=1e-3)


def test_embedding_gradient_adds_up():
    weight = dovetail.zeros(5, 3, device="cuda", requires_grad=True)
    indices = dovetail.tensor([1, 1, 4], device="cuda")
    dovetail.ops.embedding(weight, indices).sum().backward()
    np.testing.assert_array_equal(weight.grad.cpu().numpy()[:, 0], [0, 2, 0, 0, 1])


def test_memory_is_counted_and_given_back():
    before = dovetail.cuda.memory_allocated()
    x = dovetail.zeros(1024, 1024, device="cuda")
    dovetail.cuda.synchronize()
    assert dovetail.cuda.memory_allocated() >= before + 4 * 1024 * 1024
    del x
    dovetail.cuda.empty_cache()
    assert dovetail.cuda.memory_allocated() <= before


def test_name_of_the_gpu():
    assert dovetail.cuda.get_device_name()

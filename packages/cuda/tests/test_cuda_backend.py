"""The CUDA backend's own logic, run on a stand-in for CuPy with two GPUs."""

import numpy as np
import pytest

import dovetail
import dovetail.cuda
from dovetail.cuda.kernels import KERNELS, add_at
from dovetail.errors import DeviceError
from dovetail.op import OPS


def test_conversion_waits_for_the_copy(gpus):
    backend = dovetail.cuda.CudaBackend()
    source = np.arange(6.0).reshape(2, 3)
    array = backend.from_numpy(source, 1)
    source[:] = 0
    assert gpus.log == [("array", 1, True)]
    assert gpus.selected == 0
    np.testing.assert_array_equal(backend.to_numpy(array), np.arange(6.0).reshape(2, 3))
    assert backend.owns(array)
    assert not backend.owns([1.0])


def test_memory_of_views(gpus):
    backend = dovetail.cuda.CudaBackend()
    array = backend.from_numpy(np.arange(6.0))
    assert backend.shares_memory(array, array[2:])
    assert not backend.shares_memory(array, array.copy())
    assert backend.is_owner(array)
    assert not backend.is_owner(array[2:])


def test_tensors_train_on_the_stand_in(device):
    dovetail.manual_seed(0)
    x = dovetail.randn(8, 3, device=device)
    weight = dovetail.randn(3, 1, device=device, requires_grad=True)
    ((x @ weight).relu() ** 2).mean().backward()
    reference = weight.detach().cpu().requires_grad_()
    ((x.cpu() @ reference).relu() ** 2).mean().backward()
    assert str(weight.grad.device) == "standin:0"
    np.testing.assert_allclose(weight.grad.cpu().numpy(), reference.grad.numpy(), rtol=1e-5)


def test_place_of_a_tensor(device, gpus):
    gpus.count = 2
    assert str(dovetail.ones(2, device=device).device) == "standin:0"
    assert str(dovetail.ones(2, device="standin:1").device) == "standin:1"
    gpus.selected = 1
    assert str(dovetail.ones(2, device=device).device) == "standin:1"
    with pytest.raises(DeviceError, match="no device 'standin:2'; backend 'standin' has 2, counted from 0"):
        dovetail.ones(2, device="standin:2")


def test_kernels_run_on_the_gpu_that_holds_their_array(gpus):
    class Array:
        def __init__(self, index):
            self.device = __import__("cupy").cuda.Device(index)

    backend = dovetail.cuda.CudaBackend()
    kernel = backend.prepare(lambda xp, x, y: gpus.selected, 2)
    assert kernel(Array(1), 2.0) == 1
    assert kernel(2.0, Array(1)) == 1
    assert kernel(2.0, 3.0) == 0
    gpus.count = 1
    assert backend.prepare(lambda xp, x: gpus.selected, 1)(Array(1)) == 0


def test_bfloat16_is_not_claimed(gpus):
    assert not dovetail.cuda.is_bf16_supported()
    with pytest.raises(dovetail.errors.DTypeError, match="backend 'cuda' has no bfloat16; it has "):
        dovetail.cuda.CudaBackend().from_numpy(np.zeros(2, dtype=dovetail.bfloat16.numpy))


def test_current_device(gpus):
    dovetail.cuda.set_device("cuda:1")
    assert dovetail.cuda.current_device() == 1
    dovetail.cuda.set_device(0)
    with dovetail.cuda.device(1):
        assert dovetail.cuda.current_device() == 1
        with dovetail.cuda.device("cuda:0"):
            assert dovetail.cuda.current_device() == 0
        assert dovetail.cuda.current_device() == 1
    assert dovetail.cuda.current_device() == 0


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (2, "no device 'cuda:2'; backend 'cuda' has 2, counted from 0"),
        ("cpu", "expected a CUDA device such as 'cuda:0', got 'cpu'"),
    ],
)
def test_a_device_that_is_none(gpus, device, message):
    with pytest.raises(DeviceError, match=message):
        dovetail.cuda.synchronize(device)


def test_figures(gpus):
    assert dovetail.cuda.memory_allocated() == 1000
    assert dovetail.cuda.memory_allocated(1) == 1001
    assert dovetail.cuda.memory_reserved("cuda:1") == 2001
    assert dovetail.cuda.mem_get_info() == (10, 20)
    assert dovetail.cuda.get_device_name() == "Fake GPU"
    assert dovetail.cuda.get_device_capability(1) == (9, 0)


def test_what_is_asked_of_the_gpus(gpus):
    dovetail.cuda.synchronize()
    dovetail.cuda.synchronize(dovetail.device("cuda:1"))
    dovetail.cuda.empty_cache()
    dovetail.cuda.manual_seed(7)
    dovetail.cuda.manual_seed_all(2**32 + 5)
    assert gpus.log == [
        ("synchronize", 0),
        ("synchronize", 1),
        ("free", 0),
        ("free", 1),
        ("seed", 0, 7),
        ("seed", 0, 5),
        ("seed", 1, 5),
    ]


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"],
)
def test_add_at_takes_every_dtype(dtype):
    values = np.array([1, 0, 1, 1]).astype(dtype)
    places = np.array([2, 0, 2, 1])
    found = add_at(np, (4,), (places,), values)
    expected = np.zeros(4, dtype=dtype)
    np.add.at(expected, places, values)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_add_at_keeps_the_sign_of_int64():
    values = np.array([-(2**62), -1, -5], dtype=np.int64)
    np.testing.assert_array_equal(add_at(np, (2,), (np.array([0, 0, 1]),), values), [-(2**62) - 1, -5])


ROWS = np.arange(12.0).reshape(4, 3)
PLACES = np.array([[0, 2], [1, 1], [3, 0]])
CASES = [
    ("untake", (ROWS[:3],), {"index": (np.array([0, 2, 2]),), "shape": (4, 3)}),
    ("put_add", (ROWS, ROWS[:3]), {"index": (np.array([0, 2, 2]),)}),
    ("put_add", (ROWS, ROWS[0, 0]), {"index": (slice(None), np.array([[0], [1]]))}),
    ("untake", (ROWS.reshape(2, 2, 3)[..., :1],), {"index": (slice(1, None), np.array([[0], [2]])), "shape": (3, 3)}),
    ("untake", (ROWS[0],), {"index": (np.array([[True, False], [True, True]]),), "shape": (2, 2)}),
    ("embedding_backward", (ROWS.reshape(2, 2, 3), PLACES[:2]), {"count": 4}),
    ("embedding_backward", (ROWS, PLACES.reshape(-1)[:4]), {"count": 3, "padding_idx": 2}),
    ("scatter_add", (ROWS.T, PLACES, ROWS.T[:, :2]), {"dim": 1}),
    ("scatter_add", (ROWS.T, PLACES, ROWS.T), {"dim": -1}),
    ("scatter_add", (ROWS, np.array([[0, 3, 0]]), ROWS), {"dim": 0}),
    ("scatter_add", (np.array(1.0), np.array(0), np.array(2.0)), {"dim": 0}),
]


@pytest.mark.parametrize(("name", "arrays", "options"), CASES)
def test_kernels_agree_with_the_reference(name, arrays, options):
    expected = OPS[name].kernel(np, *arrays, **options)
    found = KERNELS[name](np, *arrays, **options)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found, expected)


def test_every_kernel_serves_an_op():
    assert set(KERNELS) <= set(OPS)


@pytest.mark.parametrize("name", ["gather", "index_select"])
def test_checked_kernels_leave_the_work_to_the_reference(name):
    assert KERNELS[name](np, ROWS, PLACES[0], dim=1) is NotImplemented


@pytest.mark.parametrize(("name", "extra"), [("gather", ()), ("scatter_add", (np.ones((1, 2)),)), ("index_select", ())])
@pytest.mark.parametrize("wrong", [-1, 4])
def test_indices_out_of_range_are_errors(name, extra, wrong):
    index = np.array([[0, wrong]]) if extra or name == "gather" else np.array([0, wrong])
    with pytest.raises(IndexError, match=f"{name}: index {wrong} is out of range; dimension 1 has size 4"):
        KERNELS[name](np, np.ones((3, 4)), index, *extra, dim=1)


def test_padding_gets_no_gradient():
    rows = KERNELS["embedding_backward"](np, np.ones((3, 2)), np.array([0, 1, 0]), count=3, padding_idx=1)
    np.testing.assert_array_equal(rows, [[2, 2], [0, 0], [0, 0]])

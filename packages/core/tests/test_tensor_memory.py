"""The memory behind tensors: its order, its sizes, whose it is; ``out=``; and what is refused."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import dovetail
from dovetail import errors


def test_memory_formats():
    x = dovetail.arange(120.0).reshape(2, 3, 4, 5)
    last = x.contiguous(memory_format=dovetail.channels_last)
    assert last.stride() == (60, 1, 15, 3)
    assert last.tolist() == x.tolist()
    assert last.is_contiguous(memory_format=dovetail.channels_last)
    assert not last.is_contiguous()
    assert last.contiguous(memory_format=dovetail.channels_last) is last
    assert last.clone().stride() == last.stride()
    assert last.clone(memory_format=dovetail.contiguous_format).is_contiguous()
    assert (last * 2).is_contiguous(memory_format=dovetail.channels_last)
    with pytest.raises(errors.ShapeError, match=r"channels_last takes a tensor of rank 4 \(dimensions\), got one of 2"):
        dovetail.ones(2, 3).contiguous(memory_format=dovetail.channels_last)
    with pytest.raises(errors.ShapeError, match="preserve_format names no order"):
        x.contiguous(memory_format=dovetail.preserve_format)
    with pytest.raises(TypeError, match=r"memory_format is dovetail.contiguous_format, channels_last.*got 'nhwc'"):
        x.clone(memory_format="nhwc")


def test_memory_formats_are_one_object_each():
    for format in (dovetail.channels_last, dovetail.preserve_format):
        assert copy.deepcopy(format) is format
        assert isinstance(format, dovetail.memory_format)
    assert repr(dovetail.channels_last_3d) == "dovetail.channels_last_3d"
    assert pickle.loads(pickle.dumps(dovetail.channels_last)) is dovetail.channels_last


def test_gradients_through_another_order():
    x = dovetail.ones(1, 2, 3, 3, requires_grad=True)
    (x.contiguous(memory_format=dovetail.channels_last) * 3).sum().backward()
    assert x.grad.unique().tolist() == [3]


def test_resize_keeps_the_memory_where_it_is_enough():
    x = dovetail.arange(6.0).clone()
    part = x[1:]
    assert x.resize_(2, 2) is x
    part[0] = 9
    assert x.tolist() == [[0, 9], [2, 3]]
    x.resize_(8)
    part[0] = 7
    assert x[1].item() == 9
    assert x.numel() == 8
    with pytest.raises(errors.ShapeError, match=r"resize_: sizes must be 0 or more, got \(-1,\)"):
        x.resize_(-1)
    with pytest.raises(errors.GradError, match="cannot resize tensors that require grad"):
        dovetail.ones(2, requires_grad=True).resize_(1)


def test_a_saved_tensor_of_other_sizes_is_noticed():
    x = dovetail.ones(2, 3, requires_grad=True) * 1
    y = (x * x).sum()
    x.t_()
    with pytest.raises(errors.GradError, match="modified by an in-place operation: it is at version 1, expected"):
        y.backward()


def test_set_shows_other_memory():
    x, y = dovetail.ones(2), dovetail.arange(4.0).clone()
    assert x.set_(y) is x
    x[0] = 5
    assert y[0].item() == 5
    x.set_(y.untyped_storage(), 1, (2,), (2,))
    assert x.tolist() == [1, 3]
    assert x.set_().shape == (0,)
    with pytest.raises(errors.DTypeError, match=r"could not set a tensor of type dovetail.float32 to one of type"):
        y.set_(dovetail.ones(2, dtype=dovetail.int32))


def test_storage():
    x = dovetail.arange(6.0).reshape(2, 3).clone()
    storage = x[1].untyped_storage()
    assert storage.nbytes() == len(storage) == storage.size() == 24
    assert storage.data_ptr() == x.data_ptr() == x[1].data_ptr() - 12
    assert x[1].storage_offset() == 3


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked there")
def test_shared_memory_is_seen_by_forked_processes():
    code = """
        import os, dovetail
        x = dovetail.zeros(3)
        view = x[1:]
        x.share_memory_()
        assert x.is_shared()
        child = os.fork()
        if not child:
            x.add_(2)
            os._exit(0)
        os.waitpid(child, 0)
        print(x.tolist(), view.tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[2.0, 2.0, 2.0] [2.0, 2.0]"


def test_as_strided_stays_in_the_memory():
    x = dovetail.arange(6.0).clone()
    x.as_strided((2, 2), (3, 1)).zero_()
    assert x.tolist() == [0, 0, 2, 0, 0, 5]
    with pytest.raises(errors.ShapeError, match=r"strides \[3, 1\] and storage offset 2 need 7 .*out of bounds.* of 6"):
        x.as_strided((2, 2), (3, 1), 2)
    with pytest.raises(errors.ShapeError, match=r"as many strides as sizes, none negative, got \[2\], \[-1\]"):
        x.as_strided((2,), (-1,))


def test_as_strided_gives_the_base_the_gradient_of_what_it_read():
    x = dovetail.arange(6.0).requires_grad_()
    base = x * 1
    (base[4:].as_strided((2,), (2,), 1) * dovetail.tensor([2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0, 2, 0, 3, 0, 0]


def test_bits():
    x = dovetail.ones(2)
    bits = x.view(dovetail.int32)
    assert bits.tolist() == [0x3F800000] * 2
    bits[0] = 0
    assert x.tolist() == [0, 1]
    assert x._version == 1
    assert x.view(dovetail.bfloat16).shape == (4,)


def test_writing_at_once_keeps_quiet_and_counts():
    x = dovetail.full((3,), 3e38)
    x.mul_(10.0)
    x.add_(x)
    assert x.tolist() == [np.inf] * 3
    assert x._version == 2
    assert dovetail.zeros(1).div_(dovetail.zeros(1)).isnan().all()
    assert dovetail.zeros(1).log_().item() == -np.inf
    with np.errstate(all="raise"):
        assert dovetail.ones(1).div_(0.0).item() == np.inf


def test_out_is_written_without_history():
    x, out = dovetail.ones(2), dovetail.zeros(4)
    view = out[::2]
    assert dovetail.add(x, 1, out=view) is view
    assert out.tolist() == [2, 0, 2, 0]
    assert out._version == 1
    with pytest.raises(errors.GradError, match=r"add\(\): functions with out=.* leave out= away"):
        dovetail.add(x.clone().requires_grad_(), 1, out=out)
    with dovetail.no_grad():
        dovetail.exp(dovetail.zeros(4).requires_grad_(), out=out)
    assert out.tolist() == [1, 1, 1, 1]
    with pytest.raises(errors.DTypeError, match=r"exp\(\): result type dovetail.float32 can't be cast to the desired"):
        dovetail.exp(x, out=dovetail.zeros(2, dtype=dovetail.int64))
    with pytest.raises(TypeError, match=r"add\(\): out= takes a tensor for each result, got 3"):
        dovetail.add(x, 1, out=3)
    with pytest.raises(TypeError, match=r"max\(\): out= needs 2 tensors, one for each result, got 1"):
        dovetail.max(x, 0, out=(out,))


def test_detach_in_place_and_data():
    x = dovetail.ones(2, 2, requires_grad=True) * 1
    with pytest.raises(errors.GradError, match=r"can't detach views in-place; use .detach\(\)"):
        x[0].detach_()
    x.t_()
    assert x.detach_().is_leaf
    with pytest.raises(errors.DTypeError, match="data set to a tensor that requires gradients must be floating point"):
        dovetail.ones(2, requires_grad=True).data = dovetail.ones(2, dtype=dovetail.int64)


def test_what_has_no_clear_gradient():
    start = dovetail.ones(2, 2, requires_grad=True)
    base = start * 1
    first, second = base.unbind()
    with pytest.raises(
        errors.GradError, match=r"this view is the output of unbind, which returns multiple views, and is"
    ):
        first.mul_(2)
    base.mul_(2)
    with pytest.raises(
        errors.GradError, match=r"its base or another view of its base has been modified inplace; write"
    ):
        second.sum().backward()
    base = start * 1
    with dovetail.no_grad():
        view = base[0]
    with pytest.raises(errors.GradError, match="created in no_grad mode and is being modified inplace; make the view"):
        view.mul_(2)


def test_places_that_stand_for_one_element():
    x = dovetail.arange(3.0).clone()
    wide = x.expand(2, 3)
    with pytest.raises(
        errors.ShapeError, match=r"add_: unsupported operation: more than one element .* \(2, 3\), refers"
    ):
        wide.add_(1)
    wide.fill_(4)
    assert x.tolist() == [4, 4, 4]
    with pytest.raises(
        errors.ShapeError, match=r"some elements of the input tensor, of sizes \(2,\), and of the written"
    ):
        x[1:].add_(x[:-1])


def test_numpy_reads_the_memory_of_a_single_number():
    best = dovetail.tensor([1, 3, 2]).argmax()
    shown = np.asarray(best)
    others = [np.asarray(number) for number in range(7, 40)]  # what would take freed memory
    assert shown == 1
    best.add_(1)
    assert shown == 2
    assert others[0] == 7

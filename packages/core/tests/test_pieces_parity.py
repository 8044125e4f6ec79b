"""Views of parts, memory order and other sizes against PyTorch: values, gradients, what shares memory, errors."""

import re

import numpy as np
import pytest

pytestmark = pytest.mark.parity


def numbers(*shape):
    return np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape) - 3.5


CALLS = [
    lambda lib, x: x.unfold(1, 2, 1),
    lambda lib, x: x.unfold(-1, 2, 2),
    lambda lib, x: x.unfold(0, 1, 1).unfold(2, 3, 1),
    lambda lib, x: x.unfold(1, 0, 1),
    lambda lib, x: x.unfold(1, 4, 1),
    lambda lib, x: x.unfold(1, 2, 0),
    lambda lib, x: x.unfold(1, -1, 1),
    lambda lib, x: x.unfold(3, 1, 1),
    lambda lib, x: x.sum().unfold(0, 1, 1),
    lambda lib, x: x.sum().unfold(0, 2, 1),
    lambda lib, x: x.diagonal(),
    lambda lib, x: x.diagonal(1, 1, 2),
    lambda lib, x: x.diagonal(-1, -1, 0),
    lambda lib, x: x.diagonal(9),
    lambda lib, x: x.diagonal(0, 1, 1),
    lambda lib, x: x[0, 0].diagonal(),
    lambda lib, x: lib.diagonal(x, offset=1, dim1=0, dim2=2),
    lambda lib, x: x.contiguous().as_strided((2, 2), (1, 2), 1),
    lambda lib, x: lib.as_strided(x.contiguous(), (3, 3), (1, 1)),
    lambda lib, x: x.contiguous().as_strided((5, 5), (10, 1)),
    lambda lib, x: x.contiguous().as_strided((2,), (-1,)),
    lambda lib, x: x.contiguous().as_strided((2, 2), (1,)),
    lambda lib, x: x.contiguous().as_strided((0, 3), (1, 1)),
    lambda lib, x: x.contiguous()[1].as_strided((2,), (1,)).detach(),
    lambda lib, x: x.contiguous()[1].as_strided((2,), (1,), 0).detach(),
    lambda lib, x: x.tensor_split(3, 2),
    lambda lib, x: x.tensor_split((1, 5), 2),
    lambda lib, x: x.tensor_split((2, 1), 2),
    lambda lib, x: x.tensor_split((-1,), 2),
    lambda lib, x: x.tensor_split(lib.tensor([1, 2]), 2),
    lambda lib, x: x.tensor_split(0),
    lambda lib, x: x.sum().tensor_split(2),
    lambda lib, x: lib.tensor_split(x, 5),
    lambda lib, x: x.hsplit(3),
    lambda lib, x: x.hsplit(2),
    lambda lib, x: x[0, 0].hsplit(2),
    lambda lib, x: x.sum().hsplit(1),
    lambda lib, x: x.vsplit(2),
    lambda lib, x: x[0, 0].vsplit(2),
    lambda lib, x: x.dsplit([1, 2]),
    lambda lib, x: x[0].dsplit(2),
    lambda lib, x: x.split_with_sizes([1, 3], 2),
    lambda lib, x: x.sum().unbind(),
    lambda lib, x: x.sum().split(1),
    lambda lib, x: x.sum().chunk(1),
    lambda lib, x: x.sum().select(0, 0),
    lambda lib, x: x.sum().narrow(0, 0, 1),
    lambda lib, x: x.narrow(1, lib.tensor(1), 2),
    lambda lib, x: x.adjoint(),
    lambda lib, x: lib.adjoint(x),
    lambda lib, x: x.mH,
    lambda lib, x: x[0].H,
    lambda lib, x: x.H,
    lambda lib, x: x[0, 0].H,
    lambda lib, x: x[0, 0].adjoint(),
    lambda lib, x: x[0, 0].mT,
    lambda lib, x: x.sum().mT,
    lambda lib, x: x.sum().adjoint(),
    lambda lib, x: x.swapdims(0, 1),
    lambda lib, x: lib.swapaxes(x, 0, 2),
    lambda lib, x: x.moveaxis(0, -1),
    lambda lib, x: x.contiguous().view(lib.int64).detach(),
    lambda lib, x: x.contiguous().view(lib.float32).detach(),
    lambda lib, x: x.float().contiguous().view(lib.float64).detach(),
    lambda lib, x: x[:, :, :3].float().contiguous().view(lib.float64),
    lambda lib, x: x.float().transpose(0, 2).contiguous().transpose(0, 2).view(lib.float64),
    lambda lib, x: x.sum().view(lib.float32),
    lambda lib, x: x.contiguous().view(5, 5),
    lambda lib, x: x.contiguous().transpose(0, 1).view(24),
    lambda lib, x: x.contiguous().transpose(0, 1).view(3, 2, 2, 2),
    lambda lib, x: x.contiguous().view(-1, -1),
    lambda lib, x: lib.ones(0, 3).view(0, -1),
    lambda lib, x: lib.ones(0, 3).view(-1, 3),
    lambda lib, x: (x + (1 if not x.is_contiguous() else 0)).unsqueeze(1).detach().contiguous().stride(),
    lambda lib, x: x.contiguous().unsqueeze(1).stride(),
    lambda lib, x: x.contiguous().unsqueeze(-1).stride(),
    lambda lib, x: x[0, 0].contiguous().unsqueeze(0).expand(3, -1).stride(),
    lambda lib, x: x.contiguous()[:, 1:, ::2].storage_offset(),
    lambda lib, x: (lib.ones(0, 3, 4).stride(), lib.ones(2, 0, 4).stride(), lib.ones(()).stride()),
    lambda lib, x: (x.contiguous().mT.is_contiguous(), x.t().is_contiguous() if x.ndim < 3 else None),
    lambda lib, x: lib.cat([x.contiguous().mT, x.contiguous().mT]).is_contiguous(),
    lambda lib, x: lib.stack([x.contiguous().mT, x.contiguous().mT]).stride(),
    lambda lib, x: lib.ones(3, 2).t().clone().stride(),
    lambda lib, x: x.contiguous().expand(2, 2, 3, 4).clone().stride(),
    lambda lib, x: (x.contiguous().expand(2, 2, 3, 4) * 2).view(-1),
    lambda lib, x: lib.ones(3, 2).t().clone(memory_format=lib.contiguous_format).stride(),
    lambda lib, x: lib.ones(2, 3, 4, 5).clone(memory_format=lib.channels_last).stride(),
    lambda lib, x: lib.ones(2, 3, 4, 5).contiguous(memory_format=lib.channels_last).stride(),
    lambda lib, x: lib.ones(2, 3, 4, 5, 6).contiguous(memory_format=lib.channels_last_3d).stride(),
    lambda lib, x: x.contiguous(memory_format=lib.channels_last),
    lambda lib, x: [
        lib.ones(*sizes).is_contiguous(memory_format=lib.channels_last)
        for sizes in ((2, 3, 4, 5), (2, 1, 4, 4), (2, 3, 1, 1), (2, 3, 4))
    ],
    lambda lib, x: (x[None].contiguous(memory_format=lib.channels_last) * 2).is_contiguous(
        memory_format=lib.channels_last
    ),
    lambda lib, x: lib.clone(x[None], memory_format=lib.channels_last),
    lambda lib, x: x.detach().contiguous().clone().resize_(2, 3),
    lambda lib, x: x.detach().contiguous().clone()[1].resize_(2, 2),
    lambda lib, x: x.resize_(2),
    lambda lib, x: (x * 1).resize_(2),
    lambda lib, x: lib.ones(2, 3, 4, 5).resize_(2, 3, 2, 2, memory_format=lib.channels_last).stride(),
    lambda lib, x: lib.ones(2, 3).resize_as_(lib.ones(3, 1)),
    lambda lib, x: lib.ones(2).set_(lib.arange(3.0)),
    lambda lib, x: lib.ones(2).set_(),
    lambda lib, x: lib.ones(2).set_(lib.arange(6.0).untyped_storage(), 1, (2, 2), (2, 1)),
    lambda lib, x: lib.ones(2).set_(lib.ones(2, dtype=lib.int32)),
    lambda lib, x: x.set_(lib.ones(2)),
    lambda lib, x: lib.arange(6.0).as_strided_((2,), (1,), 3),
    lambda lib, x: lib.ones(2, 3).swapaxes_(0, 1),
    lambda lib, x: lib.ones(2, 3).swapdims_(0, 1),
    lambda lib, x: lib.ones(1, 2, 1).squeeze_((0, 2)),
    lambda lib, x: len(x.contiguous().untyped_storage()),
    lambda lib, x: x[:1].detach().clone().untyped_storage().nbytes(),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("layout", ["plain", "permuted"])
def test_parts_and_memory(compare, call, layout):
    compare(call, numbers(2, 3, 4), layout=layout)


SHARING = {
    "is_set_to": lambda lib, x: [x.is_set_to(other) for other in (x.view(6), x.view(2, 3), x[:1], x.detach(), x + 0)],
    "address": lambda lib, x: [
        other.data_ptr() - x.data_ptr() for other in (x.t(), x[1], x[:, 1:], x.view(lib.int64), x.detach(), x.data)
    ],
    "storage": lambda lib, x: [
        other.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for other in (x[1], x.t(), x.clone())
    ],
    "base": lambda lib, x: [
        other._base is x
        for other in (x[1], x[1][1], x.t(), x.view(-1), x.reshape(6), x.unfold(0, 1, 1), x.diagonal(), x.detach())
    ],
    "is_view": lambda lib, x: [other._is_view() for other in (x, x[1], x.detach(), x.data, x.view(lib.int64), x.t_())],
    "set": lambda lib, x: [(y := lib.ones(2)).set_(x) is y, y.data_ptr() == x.data_ptr()],
    "shared": lambda lib, x: [x.is_shared(), x.share_memory_() is x, x.is_shared(), x],
    "versions": lambda lib, x: [
        x.t_()._version, x.squeeze_()._version, x.resize_(2, 2)._version, x.detach_()._version,
        x.data.add_(1)._version, x._version, x.add_(1).data._version, x.detach()._version,
        x.copy_(x)._version, x.fill_(2)._version, x.zero_()._version,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SHARING)
def test_what_shares_memory(compare, name):
    compare(SHARING[name], numbers(2, 3), gradients=False)


MESSAGES = {
    r"maximum size.* dimension 1 is 3": lambda lib, x: x.unfold(1, 4, 1),
    r"step is 0 but must be > 0": lambda lib, x: x.unfold(1, 2, 0),
    r"size is -1 but must be >= 0": lambda lib, x: x.unfold(1, -1, 1),
    r"sizes \[5, 5\], strides \[10, 1\].*storage.* out of bounds": lambda lib, x: x.as_strided((5, 5), (10, 1)),
    r"number of sections must be larger than 0, got 0": lambda lib, x: x.tensor_split(0),
    r"split.* dimension 1.*3.* is not divisible by the split.size 2": lambda lib, x: x.hsplit(2),
    r"self.dim\(\) cannot be 0 to view .* \(different element sizes\)": lambda lib, x: x.sum().view(lib.int16),
    r"self.size\(-1\) must be divisible by 2 to view": lambda lib, x: x[:, :, :3].float().contiguous().view(lib.int64),
    r"self.stride\(-1\) must be 1 to view .*but got 12": lambda lib, x: x.transpose(0, 2).view(lib.int16),
    r"no dimensions": lambda lib, x: x.sum().unbind(),
    r"tensor with at least 1.dim|at least a 1-dim": lambda lib, x: x.sum().split(1),
    r"0-dim tensor": lambda lib, x: x.sum().select(0, 0),
    r"(cannot|can't) resize.* that require grad": lambda lib, x: x.requires_grad_().resize_(2),
    r"(?i)can't detach views in-place.*detach\(\)": lambda lib, x: x[0].detach_(),
    r"(?i)could not set.* tensor of type": lambda lib, x: x.set_(lib.ones(2, dtype=lib.int32)),
    r"data set to a tensor that requires gradients must be floating point or complex": lambda lib, x: setattr(
        x.requires_grad_(), "data", lib.ones(2, dtype=lib.int32)
    ),
    r"requires_grad.* leaf": lambda lib, x: setattr(x.requires_grad_() * 1, "requires_grad", False),
    r"(?i)required? rank 4|rank 4": lambda lib, x: x.contiguous(memory_format=lib.channels_last),
    r"more than one element of the written-to tensor": lambda lib, x: x[0].expand(2, 3, 4).mul_(2),
    r"some elements of the input tensor.* and.* the written-to tensor": lambda lib, x: x[0].add_(x[0, 0]),
    r"doesn't match the broadcast shape|gave sizes \(2, 3, 4\) for a tensor of sizes \(3, 4\)": lambda lib, x: lib.ones(
        3, 4
    ).add_(x),
}


@pytest.mark.parametrize("text", MESSAGES)
def test_errors_say_what_pytorch_says(compare, text):
    import torch

    import dovetail

    for lib in (torch, dovetail):
        with pytest.raises((RuntimeError, IndexError)) as error:
            MESSAGES[text](lib, lib.arange(24.0).view(2, 3, 4))
        assert re.search(text, str(error.value), re.S), f"{lib.__name__}: {error.value}"

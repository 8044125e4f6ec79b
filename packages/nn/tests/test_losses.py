"""What the losses compute and refuse."""

import math

import pytest

import dovetail
from dovetail import nn
from dovetail.errors import DTypeError, ShapeError
from dovetail.nn import functional as F

LOGITS = [[1.0, 2.0, 0.5], [0.1, -1.0, 3.0]]


def cross_entropy_by_hand(logits, label):
    return math.log(sum(math.exp(value) for value in logits)) - logits[label]


def test_cross_entropy_by_hand():
    each = [cross_entropy_by_hand(row, label) for row, label in zip(LOGITS, (1, 0), strict=True)]
    logits, target = dovetail.tensor(LOGITS), dovetail.tensor([1, 0])
    assert nn.CrossEntropyLoss(reduction="none")(logits, target).tolist() == pytest.approx(each)
    assert nn.CrossEntropyLoss(reduction="sum")(logits, target).item() == pytest.approx(sum(each))
    assert nn.CrossEntropyLoss()(logits, target).item() == pytest.approx(sum(each) / 2)
    weighted = nn.CrossEntropyLoss(weight=dovetail.tensor([1.0, 3.0, 1.0]))(logits, target)
    assert weighted.item() == pytest.approx((3 * each[0] + each[1]) / 4)
    assert F.cross_entropy(logits, dovetail.tensor([1, -100])).item() == pytest.approx(each[0])
    assert F.cross_entropy(logits[0], dovetail.tensor(1)).item() == pytest.approx(each[0])
    assert F.cross_entropy(logits[0], dovetail.tensor(1), reduction="none").shape == ()


def test_nll_loss_is_cross_entropy_after_log_softmax():
    logits, target = dovetail.tensor(LOGITS), dovetail.tensor([1, -100])
    for settings in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": dovetail.tensor([1.0, 2.0, 3.0])}):
        wanted = F.cross_entropy(logits, target, **settings)
        assert dovetail.allclose(F.nll_loss(F.log_softmax(logits, 1), target, **settings), wanted)
    assert F.nll_loss(dovetail.tensor([-0.5, -1.0]), dovetail.tensor(1)).item() == 1.0
    assert nn.NLLLoss(ignore_index=1)(dovetail.tensor([[-0.5, -1.0]] * 2), dovetail.tensor([0, 1])).item() == 0.5


def test_class_probabilities_as_targets():
    logits, target = dovetail.tensor(LOGITS), dovetail.tensor([1, 0])
    hot = F.one_hot(target, 3).float()
    for settings in ({}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"reduction": "none"}):
        wanted = F.cross_entropy(logits, target, **settings)
        assert dovetail.allclose(F.cross_entropy(logits, hot, **settings), wanted)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
class TestClassIndices:
    @pytest.mark.parametrize("label", [3, -1])
    def test_a_label_out_of_range_is_named(self, name, label):
        with pytest.raises(IndexError) as caught:
            getattr(F, name)(dovetail.tensor(LOGITS), dovetail.tensor([0, label]))
        assert str(caught.value) == (
            f"{name}: label {label} is out of range; with 3 classes (scores of shape (2, 3)) labels are 0 to 2, or "
            "ignore_index=-100; check the labels or the last layer's size"
        )

    def test_shapes_are_named(self, name):
        with pytest.raises(ShapeError) as caught:
            getattr(F, name)(dovetail.tensor(LOGITS), dovetail.tensor([[0], [1]]))
        assert str(caught.value) == (
            f"{name}: scores of shape (2, 3) need class indices of shape (2,); got (2, 1); "
            "remove the last dimension with .squeeze(1)"
        )
        with pytest.raises(ShapeError, match=r"weight has one factor for each of the 3 classes; got shape \(2,\)"):
            getattr(F, name)(dovetail.tensor(LOGITS), dovetail.tensor([0, 1]), dovetail.ones(2))
        with pytest.raises(ShapeError, match="got a 0-dimensional input"):
            getattr(F, name)(dovetail.tensor(1.0), dovetail.tensor(0))

    def test_reduction_is_checked(self, name):
        with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none'; got 'average'"):
            getattr(F, name)(dovetail.tensor(LOGITS), dovetail.tensor([0, 1]), reduction="average")


def test_targets_of_the_wrong_dtype_are_named():
    with pytest.raises(DTypeError, match=r"got dovetail.float32 of shape \(2,\); for class indices use .long\(\)"):
        F.cross_entropy(dovetail.tensor(LOGITS), dovetail.tensor([1.0, 0.0]))
    with pytest.raises(DTypeError, match=r"nll_loss: class indices are integers; got dovetail.float32"):
        F.nll_loss(dovetail.tensor(LOGITS), dovetail.tensor([1.0, 0.0]))
    with pytest.raises(DTypeError, match=r"cross_entropy: class indices are integers; got dovetail.bool"):
        F.cross_entropy(dovetail.tensor(LOGITS), dovetail.tensor([True, False]))
    with pytest.raises(ShapeError, match=r"has the input's shape \(2, 3\); got dovetail.float32 of shape \(2, 2\)"):
        F.cross_entropy(dovetail.tensor(LOGITS), dovetail.ones(2, 2))


def test_label_smoothing_is_checked():
    with pytest.raises(ValueError, match="label_smoothing is from 0 to 1; got 2"):
        F.cross_entropy(dovetail.tensor(LOGITS), dovetail.tensor([0, 1]), label_smoothing=2)


def test_differences():
    x, y = dovetail.tensor([1.0, 2.0]), dovetail.tensor([3.0, 1.0])
    assert nn.MSELoss()(x, y).item() == 2.5
    assert nn.MSELoss(reduction="sum")(x, y).item() == 5.0
    assert nn.MSELoss(reduction="none")(x, y).tolist() == [4.0, 1.0]
    assert nn.L1Loss()(x, y).item() == 1.5
    weight = dovetail.tensor([1.0, 3.0])
    assert F.mse_loss(x, y, weight=weight).item() == pytest.approx(7 / 4)
    assert F.l1_loss(x, y, weight=weight, reduction="sum").item() == 5.0
    with pytest.raises(ShapeError, match=r"weight has shape \(1,\), the loss \(2,\); they must agree"):
        F.mse_loss(x, y, weight=dovetail.ones(1))


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss()])
def test_a_target_of_another_size_warns(loss):
    with pytest.warns(UserWarning, match=r"the target has shape \(2,\) and the input \(2, 1\); they are broadcast"):
        assert loss(dovetail.zeros(2, 1), dovetail.ones(2)).item() == 1.0


def test_every_loss_module_checks_its_reduction():
    for kind in (nn.CrossEntropyLoss, nn.NLLLoss, nn.MSELoss, nn.L1Loss, nn.BCELoss, nn.BCEWithLogitsLoss):
        with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none'; got 'all'"):
            kind(reduction="all")


def test_binary_cross_entropy_is_finite_far_out():
    scores, target = dovetail.tensor([1000.0, -1000.0, 0.0]), dovetail.tensor([1.0, 1.0, 0.0])
    loss = nn.BCEWithLogitsLoss(reduction="none")(scores, target)
    assert loss.tolist() == pytest.approx([0.0, 1000.0, math.log(2)])
    loss = nn.BCELoss(reduction="none")(dovetail.tensor([1.0, 0.0, 0.5]), target)
    assert loss.tolist() == pytest.approx([0.0, 100.0, math.log(2)])


def test_binary_cross_entropy_weights():
    scores, target = dovetail.tensor([0.0, 0.0]), dovetail.tensor([1.0, 0.0])
    loss = nn.BCEWithLogitsLoss(reduction="none", pos_weight=dovetail.tensor(3.0))(scores, target)
    assert loss.tolist() == pytest.approx([3 * math.log(2), math.log(2)])
    loss = nn.BCELoss(weight=dovetail.tensor([1.0, 5.0]), reduction="sum")(dovetail.sigmoid(scores), target)
    assert loss.item() == pytest.approx(6 * math.log(2))


@pytest.mark.parametrize("loss", [nn.BCELoss(), nn.BCEWithLogitsLoss()])
def test_binary_cross_entropy_names_shapes_and_dtypes(loss):
    with pytest.raises(ShapeError, match=r"the target must have the input's shape \(2, 1\); got \(2,\); reshape one"):
        loss(dovetail.ones(2, 1), dovetail.ones(2))
    with pytest.raises(DTypeError, match=r"holds probabilities, floating-point; got dovetail.int64; use .float\(\)"):
        loss(dovetail.ones(2), dovetail.ones(2, dtype=dovetail.int64))


def test_loss_weights_are_buffers():
    assert list(nn.CrossEntropyLoss(weight=dovetail.ones(3)).state_dict()) == ["weight"]
    assert not list(nn.CrossEntropyLoss().state_dict())

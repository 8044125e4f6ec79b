"""The learning rates that schedulers set."""

import math

import pytest

import dovetail
from dovetail import optim
from dovetail.optim import lr_scheduler


def sgd(*rates):
    groups = [{"params": [dovetail.zeros(1, requires_grad=True)], "lr": rate} for rate in rates or (1.0,)]
    return optim.SGD(groups)


def rates(scheduler, steps, optimizer):
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.append(scheduler.get_last_lr()[0])
    return found


def test_step():
    optimizer = sgd()
    assert rates(lr_scheduler.StepLR(optimizer, 2, gamma=0.5), 5, optimizer) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_multi_step():
    optimizer = sgd()
    found = rates(lr_scheduler.MultiStepLR(optimizer, [1, 3, 3], gamma=0.5), 4, optimizer)
    assert found == [1.0, 0.5, 0.5, 0.125, 0.125]


def test_exponential():
    optimizer = sgd()
    assert rates(lr_scheduler.ExponentialLR(optimizer, 0.5), 3, optimizer) == [1.0, 0.5, 0.25, 0.125]


def test_lambda_per_group():
    optimizer = sgd(1.0, 2.0)
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda step: 1 / (step + 1), lambda step: step])
    assert scheduler.get_last_lr() == [1.0, 0.0]
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 2.0]
    assert scheduler.state_dict()["lr_lambdas"] == [None, None]
    with pytest.raises(ValueError, match=r"LambdaLR takes one function or one per group \(2\); got 1"):
        lr_scheduler.LambdaLR(optimizer, [abs])


def test_linear():
    optimizer = sgd()
    found = rates(lr_scheduler.LinearLR(optimizer, 0.5, 1.0, total_iters=2), 3, optimizer)
    assert found == pytest.approx([0.5, 0.75, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"LinearLR's factors are from 0 to 1, the first above 0; got 0 and 1.0"):
        lr_scheduler.LinearLR(optimizer, 0)


def test_cosine_goes_down_and_up():
    optimizer = sgd()
    found = rates(lr_scheduler.CosineAnnealingLR(optimizer, 4, eta_min=0.2), 8, optimizer)
    assert found == pytest.approx([0.2 + 0.4 * (1 + math.cos(math.pi * step / 4)) for step in range(9)])


def test_plateau_waits_cools_down_and_stops_at_the_lowest():
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.3)
    found = []
    for loss in (2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]


def test_plateau_modes_and_thresholds():
    up = lr_scheduler.ReduceLROnPlateau(sgd(), mode="max", threshold=0.1, threshold_mode="abs")
    assert up.is_better(1.2, 1.0)
    assert not up.is_better(1.05, 1.0)
    down = lr_scheduler.ReduceLROnPlateau(sgd(), threshold=0.1)
    assert down.is_better(0.8, 1.0)
    assert not down.is_better(0.95, 1.0)
    up.step(dovetail.tensor(3.0))
    assert up.best == 3.0


def test_plateau_checks_its_settings():
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau's factor is below 1; got 1.5"):
        lr_scheduler.ReduceLROnPlateau(sgd(), factor=1.5)
    with pytest.raises(ValueError, match=r"mode is 'min' or 'max' and threshold_mode 'rel' or 'abs'; got 'up', 'rel'"):
        lr_scheduler.ReduceLROnPlateau(sgd(), mode="up")
    with pytest.raises(ValueError, match=r"min_lr is one number or one per group \(1\); got 2"):
        lr_scheduler.ReduceLROnPlateau(sgd(), min_lr=[0.1, 0.2])


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.StepLR(optimizer, 2),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 5),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 4]),
    ],
)
def test_a_loaded_scheduler_goes_on(make, tmp_path):
    optimizer = sgd()
    scheduler = make(optimizer)
    rates(scheduler, 3, optimizer)
    dovetail.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, tmp_path / "run.ckpt")
    found = dovetail.load(tmp_path / "run.ckpt")
    other = sgd()
    loaded = make(other)
    other.load_state_dict(found["optimizer"])
    loaded.load_state_dict(found["scheduler"])
    assert loaded.get_last_lr() == scheduler.get_last_lr()
    assert rates(loaded, 3, other) == pytest.approx(rates(scheduler, 3, optimizer))


def test_starting_in_the_middle_needs_the_first_rates():
    with pytest.raises(KeyError, match=r"parameter group 0 has no 'initial_lr', which last_epoch=3 needs"):
        lr_scheduler.StepLR(sgd(), 2, last_epoch=3)
    optimizer = sgd()
    optimizer.param_groups[0]["initial_lr"] = 1.0
    assert lr_scheduler.CosineAnnealingLR(optimizer, 4, last_epoch=1).get_last_lr() == pytest.approx([0.5])


def test_only_optimizers_are_scheduled_and_subclasses_define_the_rates():
    with pytest.raises(TypeError, match="StepLR takes an Optimizer; got int"):
        lr_scheduler.StepLR(3, 1)
    with pytest.raises(TypeError, match=r"LRScheduler has no get_lr\(\); define get_lr\(self\) in the class"):
        lr_scheduler.LRScheduler(sgd())

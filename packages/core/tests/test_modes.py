"""Modes: context managers that see every op of their thread."""

import threading

import pytest

import dovetail


class Names(dovetail.Mode):
    def __init__(self, log, label=""):
        self.log, self.label = log, label

    def __call__(self, op, args, kwargs):
        self.log.append(self.label + op.definition.name)
        return op(*args, **kwargs)


def test_a_mode_sees_ops_of_every_kind():
    log = []
    x = dovetail.ones(2, 2, requires_grad=True)
    with Names(log):
        y = (x.exp() + 1).sum(0)
        y[0].reshape(1, 1)
        dovetail.cat((y, y))
        x.detach().clone().add_(1)
    assert log == ["exp", "add", "sum", "slice_view", "reshape", "cat", "clone", "add"]
    (x + 1).sum()
    assert len(log) == 8


def test_modes_nest_and_the_innermost_sees_first():
    log = []
    with Names(log, "outer "), Names(log, "inner "):
        dovetail.ones(1) + 1
    assert log == ["inner add", "outer add"]


def test_a_mode_may_change_arguments_and_results():
    class Doubled(dovetail.Mode):
        def __call__(self, op, args, kwargs):
            if op.definition.name == "sum":
                kwargs = {**kwargs, "keepdim": True}
            return op(*args, **kwargs) * 2

    with Doubled():
        assert dovetail.ones(2, 3).sum(1).tolist() == [[6], [6]]


def test_a_mode_sees_the_backward_pass():
    log = []
    x = dovetail.ones(2, requires_grad=True)
    y = (x * x).sum()
    with Names(log):
        y.backward()
    assert log.count("mul") == 2
    assert "expand" in log
    assert x.grad.tolist() == [2, 2]


def test_the_default_mode_changes_nothing_and_errors_leave_it():
    with dovetail.Mode() as mode:
        assert (dovetail.ones(1) + 1).item() == 2
    assert isinstance(mode, dovetail.Mode)
    log = []
    with pytest.raises(dovetail.errors.ShapeError), Names(log):
        dovetail.ones(2) + dovetail.ones(3)
    dovetail.ones(1) + 1
    assert log == ["add"]


def test_a_mode_that_raises_stays_usable():
    class Refusing(dovetail.Mode):
        def __call__(self, op, args, kwargs):
            raise ValueError(op.definition.name)

    with Refusing():
        for _ in range(2):
            with pytest.raises(ValueError, match="add"):
                dovetail.ones(1) + 1
    assert (dovetail.ones(1) + 1).item() == 2


def test_modes_are_each_threads_own():
    log, done = [], []

    def work():
        done.append((dovetail.ones(1) * 3).item())

    with Names(log):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert (log, done) == ([], [3])

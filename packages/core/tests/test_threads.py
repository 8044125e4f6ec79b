"""Two threads at once: each trains its own model, with its own grad mode, default device and hooks."""

import threading

import pytest

import dovetail
from dovetail import autograd
from dovetail.device import resolve
from dovetail.utils.checkpoint import checkpoint

CPU = dovetail.device("cpu")


def trained(seed, steps=60):
    """Return a small net's weights after some steps, which draw no random numbers."""
    numbers = (dovetail.arange(48, dtype=dovetail.float32) * (seed + 1)).sin()
    first, second = (numbers[:32].reshape(4, 8) * 0.5).requires_grad_(), (numbers[32:40] * 0.5).requires_grad_()
    data = numbers[40:].reshape(2, 4)
    log = []
    handle = first.register_hook(lambda grad: log.append(grad.sum().item()))
    for step in range(steps):
        hidden = checkpoint(lambda x: dovetail.tanh(x @ first), data) if step % 2 else dovetail.tanh(data @ first)
        loss = ((hidden @ second - 1) ** 2).mean()
        loss.backward()
        with dovetail.no_grad():
            for weight in (first, second):
                weight -= 0.1 * weight.grad
                weight.grad = None
    handle.remove()
    return first.tolist(), second.tolist(), log


def at_once(*calls):
    """Return what the calls give, each run in a thread of its own."""
    found, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(place, call):
        start.wait()
        try:
            found[place] = call()
        except Exception as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_training_in_threads_gives_what_it_gives_one_after_the_other():
    expected = [trained(seed) for seed in range(3)]
    assert at_once(*[lambda seed=seed: trained(seed) for seed in range(3)]) == expected


def test_training_beside_no_grad_and_a_mode():
    class Count(dovetail.Mode):
        seen = 0

        def __call__(self, op, args, kwargs):
            self.seen += 1
            return op(*args, **kwargs)

    expected, done = trained(1), threading.Event()

    def train():
        try:
            return trained(1)
        finally:
            done.set()

    def idle():
        with dovetail.no_grad(), Count() as count, dovetail.inference_mode():
            while not done.is_set():
                assert not (dovetail.ones(1, requires_grad=True) * 2).requires_grad
            return count.seen > 0

    assert at_once(train, idle) == [expected, True]


def test_threads_share_the_leaves_of_one_model():
    weight = dovetail.ones(3, requires_grad=True)

    def gradient(factor):
        return autograd.grad((weight * factor).exp().sum(), weight)[0].tolist()

    expected = [gradient(factor) for factor in (1.0, 2.0)]
    assert at_once(lambda: gradient(1.0), lambda: gradient(2.0)) == expected


def test_the_default_device_is_each_threads_own():
    there = dovetail.device("nowhere")
    with there:
        assert dovetail.get_default_device() is there
        assert at_once(dovetail.get_default_device, lambda: dovetail.ones(1).device) == [CPU, CPU]
        with CPU:
            assert resolve(None) is CPU
            assert dovetail.ones(1).device is CPU
        assert dovetail.get_default_device() is there
        with pytest.raises(RuntimeError, match="no backend 'nowhere'"):
            dovetail.ones(1)
    assert dovetail.get_default_device() is CPU
    assert dovetail.ones(1).device is CPU

    def elsewhere():
        with there:
            return dovetail.get_default_device()

    assert at_once(elsewhere, elsewhere) == [there, there]
    assert dovetail.get_default_device() is CPU


def test_a_default_set_in_a_thread_ends_with_it():
    def choose():
        dovetail.set_default_device("cpu:0")
        dovetail.set_default_device(None)
        return dovetail.get_default_device()

    assert at_once(choose) == [CPU]

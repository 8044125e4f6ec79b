"""no_grad and its relatives beside PyTorch's: contexts, decorators, generators, threads."""

import asyncio
import threading

import pytest

import dovetail

pytestmark = pytest.mark.parity

NAMES = ["no_grad", "enable_grad", "inference_mode"]


def states(lib):
    return lib.is_grad_enabled(), lib.is_inference_mode_enabled()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("outer", [True, False])
def test_contexts_and_decorators(agree, name, outer):
    def program(lib):
        mode = getattr(lib, name)
        found = []
        with lib.set_grad_enabled(outer):
            with mode():
                found.append(states(lib))
            found += [mode()(lambda: states(lib))(), mode(lambda: states(lib))(), states(lib)]
            try:
                with mode():
                    raise ValueError
            except ValueError:
                found.append(states(lib))
        return found

    agree(program)


def test_set_grad_enabled(agree):
    def program(lib):
        found = []

        @lib.set_grad_enabled(False)
        def off():
            return states(lib)

        found += [states(lib), off(), states(lib)]
        with lib.set_grad_enabled(False):
            with lib.set_grad_enabled(True):
                found.append(states(lib))
            found.append(states(lib))
        lib.set_grad_enabled(False)
        found.append(states(lib))
        lib.set_grad_enabled(True)
        return found

    agree(program)
    agree(lambda lib: lib.set_grad_enabled(1), "set_grad_enabled", "int")


def test_inference_mode(agree):
    def program(lib):
        x = lib.ones(2, requires_grad=True)
        found = []
        with lib.inference_mode():
            found.append((x * 2).requires_grad)
            with lib.enable_grad():
                found.append((x * 2).requires_grad)
            with lib.inference_mode(False):
                found += [states(lib), (x * 2).requires_grad]
        with lib.inference_mode(mode=False):
            found.append(states(lib))
        with lib.no_grad(), lib.inference_mode(False):
            found.append(states(lib))
        return found, x.is_inference()

    agree(program)


@pytest.mark.parametrize("name", NAMES)
def test_generators_run_in_the_mode_and_leave_it_at_every_yield(agree, name):
    def program(lib):
        log = []

        @getattr(lib, name)()
        def steps(count):
            try:
                for number in range(count):
                    try:
                        log.append(("sent", (yield number, states(lib)), states(lib)))
                    except KeyError as error:
                        log.append(("thrown", str(error), states(lib)))
                return "done"
            finally:
                log.append(("finally", states(lib)))

        def outer():
            log.append((yield from steps(2)))

        running = steps(4)
        log.append(next(running))
        log.append(states(lib))
        log.append(running.send("a"))
        log.append(running.throw(KeyError("b")))
        with lib.no_grad():
            log.append(next(running))
            log.append(states(lib))
        running.close()
        log.append(list(outer()))
        log.append([states(lib), steps.__name__])
        return log

    agree(program)


def test_an_error_in_a_generator(agree):
    def program(lib):
        @lib.no_grad()
        def steps():
            yield 1
            raise ZeroDivisionError("inside")

        running = steps()
        next(running)
        try:
            next(running)
        finally:
            assert lib.is_grad_enabled()

    agree(program, "inside")


def test_a_coroutine_is_started_only(agree):
    def program(lib):
        @lib.no_grad()
        async def run():
            return lib.is_grad_enabled()

        return asyncio.run(run())

    agree(program)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_is_refused(name):
    with pytest.raises(TypeError, match=rf"{name} decorates functions, got the class Model; decorate its methods"):
        getattr(dovetail, name)()(type("Model", (), {}))


def in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_each_thread_has_its_own(agree):
    def program(lib):
        with lib.inference_mode():
            inside = in_thread(lambda: states(lib))
        with lib.no_grad():
            plain = in_thread(lambda: states(lib))
        in_thread(lambda: lib.set_grad_enabled(False))
        return inside, plain, states(lib)

    agree(program)


def test_hooks_that_pack_are_each_threads_own(agree):
    def program(lib):
        log, x = [], lib.ones(2, requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(lambda tensor: (log.append(1), tensor)[1], lambda kept: kept):
            in_thread(lambda: x.exp())
            there = len(log)
            x.exp()
        return there, len(log)

    agree(program)

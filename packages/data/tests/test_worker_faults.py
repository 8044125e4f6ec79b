"""Workers that raise, die, hang or cannot be started: an error that names the cause, soon, and nothing left behind."""

import errno
import faulthandler
import gc
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest
from loader_helpers import Augmented, Failing, left_behind

import dovetail
from dovetail.data import DataLoader, IterableDataset, TensorDataset
from dovetail.data.workers.memory import Slot
from dovetail.errors import WorkerError

# newer Pythons say so at each fork; threads of other tests may still be there
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

PROCESSES = {"num_workers": 2, "multiprocessing_context": "fork"}
BOTH = pytest.mark.parametrize("way", [PROCESSES, {"num_workers": 2, "worker": "thread"}], ids=["processes", "threads"])


def divide():
    return 1 // 0


def consume(loader):
    return [batch.tolist() for batch in loader]


@pytest.fixture(autouse=True)
def _nothing_left():
    multiprocessing.resource_tracker.ensure_running()  # these stay for the rest of the program
    multiprocessing.forkserver.ensure_running()
    gc.collect()  # what tests before this one left
    before = left_behind()
    yield
    assert left_behind() == before


@BOTH
def test_an_error_of_a_sample_keeps_its_type_and_traceback(way):
    with pytest.raises(ZeroDivisionError) as caught:
        consume(DataLoader(Failing(divide), batch_size=4, **way))
    assert left_behind()[0] == 0, "while the error is still at hand"
    shown = "".join(traceback.format_exception(caught.value))
    assert "return 1 // 0" in shown
    assert "The DataLoader was reading sample 5 of Failing." in shown
    if way is PROCESSES:
        assert "Raised in worker" in shown
    del caught  # with this frame, which its error holds, it would stay until the collector comes


@BOTH
def test_a_program_may_go_on_after_an_error(way):
    batches, found = iter(DataLoader(Failing(divide), batch_size=4, **way)), []
    while True:
        try:
            found.append(next(batches).tolist())
        except ZeroDivisionError:
            found.append("failed")
        except StopIteration:
            break
    here, batches = [], iter(DataLoader(Failing(divide), batch_size=4))
    for _ in range(3):
        try:
            here.append(next(batches).tolist())
        except ZeroDivisionError:
            here.append("failed")
    assert found == here == [[0, 1, 2, 3], "failed", [8, 9, 10, 11]]


class OwnError(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def raise_own():
    raise OwnError("one", "two")


def test_an_error_that_cannot_be_sent_is_named():
    with pytest.raises(
        WorkerError, match=r"worker [01] \(process \d+\) of the DataLoader raised OwnError: one and two"
    ):
        consume(DataLoader(Failing(raise_own), batch_size=4, **PROCESSES))


@BOTH
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, MemoryError])
def test_errors_that_end_programs_arrive_too(way, kind):
    def act():
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        consume(DataLoader(Failing(act), batch_size=4, **way))


@pytest.mark.parametrize("way", [{}, PROCESSES], ids=["here", "processes"])
def test_stop_iteration_is_not_the_end_of_the_data(way):
    with pytest.raises(RuntimeError, match=r"Failing.__getitem__ raised StopIteration, which would look like the end"):
        consume(DataLoader(Failing(lambda: next(iter(()))), batch_size=4, **way))


class FailingStream(IterableDataset):
    def __iter__(self):
        yield 1
        divide()


@pytest.mark.parametrize("way", [{}, PROCESSES], ids=["here", "processes"])
def test_an_error_of_a_stream_says_where(way):
    with pytest.raises(ZeroDivisionError) as caught:
        consume(DataLoader(FailingStream(), **way))
    assert "The DataLoader was reading sample number 1 of the stream FailingStream." in caught.value.__notes__
    del caught


def test_an_error_of_worker_init_fn_arrives():
    def init(worker):
        raise LookupError(f"no licence for {worker}")

    with pytest.raises(LookupError, match="no licence for"):
        consume(DataLoader(range(4), worker_init_fn=init, **PROCESSES))


def test_a_batch_that_cannot_be_sent_is_an_error():
    with pytest.raises((TypeError, pickle.PicklingError), match=r"pickle.*lock|lock.*pickle"):
        list(DataLoader(range(4), collate_fn=lambda samples: threading.Lock(), **PROCESSES))


def crash():
    faulthandler.disable()  # which pytest has on, and which prints pages
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "was killed by signal SIGKILL, as a system does that runs out of",
        ),
        (crash, "was killed by signal SIGSEGV: a library crashed in it"),
        (lambda: os._exit(3), "stopped with exit code 3. To see its error in this process, use num_workers=0"),
    ],
    ids=["killed", "crashed", "exited"],
)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_dead_worker_is_seen_at_once(act, message, persistent):
    loader = DataLoader(Failing(act), batch_size=4, persistent_workers=persistent, **PROCESSES)
    batches = iter(loader)
    with pytest.raises(WorkerError, match=message):
        list(batches)
    with pytest.raises(WorkerError, match=message):  # and again, not an end that looks like one of the data
        next(batches)


def test_a_worker_killed_from_outside_while_it_waits_is_seen():
    batches = iter(DataLoader(range(100), **PROCESSES))
    next(batches)
    os.kill(batches.pool.workers[1].process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"worker 1 .* was killed by signal SIGKILL"):
        list(batches)


def test_persistent_workers_are_made_anew_after_one_died(tmp_path):
    def act():
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)

    loader = DataLoader(Failing(act), batch_size=4, persistent_workers=True, **PROCESSES)
    with pytest.raises(WorkerError, match="stopped with exit code 1"):
        list(loader)
    assert consume(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def wait_for_ever():
    time.sleep(1000)


def test_a_worker_that_hangs_is_an_error_that_shows_where():
    with pytest.raises(WorkerError) as caught:
        consume(DataLoader(Failing(wait_for_ever), batch_size=4, timeout=0.3, **PROCESSES))
    text = str(caught.value)
    assert text.startswith("no batch within timeout=0.3 s from worker")
    assert "in wait_for_ever" in text
    assert "workers/child.py" not in text, "the loader's own code, or a worker that has nothing to do"
    assert text.endswith("Try a larger timeout, or look at what the dataset waits for")
    del caught


def test_a_thread_that_hangs_is_an_error():
    release = threading.Event()
    loader = DataLoader(Failing(release.wait), batch_size=4, timeout=0.2, num_workers=2, worker="thread")
    with pytest.raises(WorkerError, match=r"no batch within timeout=0.2 s from workers? [01].* is not known here"):
        consume(loader)
    release.set()


class WithTransform(Augmented):
    def __init__(self, transform):
        super().__init__()
        self.transform = {"image": [transform]}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_cannot_be_sent_to_a_started_process_is_named(method):
    loader = DataLoader(WithTransform(lambda x: x), num_workers=1, multiprocessing_context=method)
    with pytest.raises(
        WorkerError,
        match=rf"dataset.transform\['image'\]\[0\] is <function .*<lambda> at .*>, which cannot be sent to a worker "
        rf"process started by '{method}': .*top level of a module.* multiprocessing_context='fork' or worker='thread'",
    ):
        next(iter(loader))


def run(code, folder, **options):
    """Run a program of its own; gives its end and what it printed."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_program_without_a_guard_is_told_of_it(tmp_path):
    code = """
    from dovetail.data import DataLoader
    print(list(DataLoader(range(4), num_workers=1, multiprocessing_context="spawn")))
    """
    process = run(code, tmp_path)
    error = process.communicate(timeout=60)[1]
    assert "stopped with exit code 1 before it could begin" in error
    assert "if __name__ == '__main__':" in error


LOOP = """
    import time
    from dovetail.data import DataLoader, Dataset

    class Slow(Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            time.sleep(0.02)
            return index

    if __name__ == "__main__":
        loader = DataLoader(Slow(), num_workers=2, multiprocessing_context="fork")
        for batch in loader:
            print("going", flush=True)
"""


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _gone(pids):
    for _ in range(1000):
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_go_with_their_program(end, tmp_path):
    """Ctrl-C goes to the whole group, as from a terminal; the others to the program alone."""
    process = run(LOOP, tmp_path, start_new_session=True)
    process.stdout.readline()
    workers = _children(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)
    _, error = process.communicate(timeout=20)
    assert process.returncode == -end
    assert error.count("Traceback") == (1 if end == signal.SIGINT else 0), error
    assert _gone(workers)


def test_a_half_read_pass_leaves_nothing():
    before = left_behind()
    for _ in DataLoader(TensorDataset(dovetail.zeros(100, 10)), num_workers=2):
        break
    del _  # a batch that is kept keeps its memory
    assert left_behind() == before


def test_a_slow_sample_does_not_hold_up_the_end():
    """Its 1000 seconds would be more than a test may take."""
    for _ in DataLoader(Failing(wait_for_ever), batch_size=5, **PROCESSES):
        break
    assert left_behind()[0] == 0


def test_without_room_for_shared_memory_batches_go_through_pipes(monkeypatch):
    def full(self, size):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Slot, "grow", full)
    x = dovetail.arange(400).reshape(40, 10)
    loader = DataLoader(TensorDataset(x), batch_size=10, **PROCESSES)
    with pytest.warns(RuntimeWarning, match="no memory left for batches shared with worker processes"):
        found = [batch for (batch,) in loader]
    assert bool((dovetail.cat(found) == x).all())
    found[0].add_(1)


def test_a_full_shared_memory_folder_is_no_limit(tmp_path):
    code = """
    import dovetail, os
    from dovetail.data import DataLoader, TensorDataset
    x = dovetail.rand(64, 10000)
    loader = DataLoader(TensorDataset(x), batch_size=8, num_workers=2, multiprocessing_context="fork")
    found = [batch for (batch,) in loader]
    free = os.statvfs("/dev/shm").f_bfree
    print(bool((dovetail.cat(found) == x).all()), free)
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(code), encoding="utf-8")
    full = "mount -t tmpfs -o size=16k tmpfs /dev/shm && (cat /dev/zero > /dev/shm/full 2> /dev/null || true)"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{full} && {sys.executable} {tmp_path}/program.py"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"a full /dev/shm cannot be made here: {done.stderr.strip()}")
    assert done.stdout.split() == ["True", "0"], done.stderr


def test_where_no_memory_can_be_shared_batches_go_through_pipes(monkeypatch):
    from dovetail.data.workers import memory

    monkeypatch.setattr(memory, "AVAILABLE", False)
    x = dovetail.rand(40, 1000)
    found = [batch for (batch,) in DataLoader(TensorDataset(x), batch_size=10, **PROCESSES)]
    assert bool((dovetail.cat(found) == x).all())
    with pytest.raises(WorkerError, match=r"no batch within timeout=0.2 s .* is not known here"):
        consume(DataLoader(Failing(wait_for_ever), batch_size=4, timeout=0.2, **PROCESSES))


def test_without_memfd_a_file_without_a_name_serves(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.delattr(os, "posix_fallocate")
    x = dovetail.rand(40, 1000)
    found = [batch for (batch,) in DataLoader(TensorDataset(x), batch_size=10, **PROCESSES)]
    assert bool((dovetail.cat(found) == x).all())

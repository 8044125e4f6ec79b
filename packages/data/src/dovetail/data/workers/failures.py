"""Errors of workers, on their way to the loader's process and told there."""

from __future__ import annotations

import pickle
import signal
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from dovetail.data import making
from dovetail.errors import WorkerError


class RemoteTraceback(Exception):  # noqa: N818 it is shown, never raised
    """The traceback of an error in a worker process, as text; shown as the cause of the error."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Failure:
    """An error on its way to the loader's process."""

    def __init__(self, error: bytes | None, name: str, text: str) -> None:
        self.error, self.name, self.text = error, name, text

    @staticmethod
    def of(error: BaseException) -> Failure:
        """Return what can be sent of an error: itself, where it comes out of a pickle as it went in."""
        text = "".join(traceback.format_exception(error))
        name = f"{type(error).__name__}: {error}"
        try:
            data = pickle.dumps(error)
            again = pickle.loads(data)
            same = type(again) is type(error) and again.args == error.args
        except Exception:  # its class takes other arguments than it hands on, say
            same = False
        return Failure(data if same else None, name, text)

    def told(self, worker: int, process: int | None) -> BaseException:
        """Return the error to raise in the loader's process."""
        place = f"worker {worker} (process {process})"
        if self.error is None:
            error: BaseException = WorkerError(f"{place} of the DataLoader raised {self.name}")
        else:
            error = pickle.loads(self.error)
        error.__cause__ = RemoteTraceback(self.text)
        error.add_note(f"Raised in {place} of the DataLoader; its traceback is above.")
        return error


def died(worker: int, process: int | None, code: int | None, ready: bool, method: str) -> WorkerError:
    """Return the error for a worker process that has ended by itself."""
    start = f"worker {worker} (process {process}) of the DataLoader"
    if not ready and code is not None and code > 0:
        return WorkerError(
            f"{start} stopped with exit code {code} before it could begin; what it printed says why. A process that "
            f"{method!r} starts imports the main script anew: its work belongs under if __name__ == '__main__':, and "
            "classes of datasets into a module that can be imported; multiprocessing_context='fork' or worker='thread' "
            "need neither"
        )
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"number {-code}"
        cause = f"was killed by signal {name}"
        if name == "SIGKILL":
            cause += ", as a system does that runs out of memory: try fewer workers or a smaller batch_size"
        elif name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"):
            cause += ": a library crashed in it; some do after a fork: try multiprocessing_context='spawn'"
    else:
        cause = f"stopped with exit code {code}"
    return WorkerError(f"{start} {cause}. To see its error in this process, use num_workers=0")


def late(seconds: float, workers: Sequence[tuple[int, int | None]], stacks: list[str]) -> WorkerError:
    """Return the error for a batch that did not come in time, with what the workers do."""
    names = " and ".join(f"{worker} (process {process})" for worker, process in workers)
    text = (
        f"no batch within timeout={seconds:g} s from worker{'s' if len(workers) > 1 else ''} {names} of the DataLoader"
    )
    for stack in stacks:
        text += f"\n{stack.rstrip()}"
    if not stacks:
        text += "; what it does is not known here"
    return WorkerError(f"{text}\nTry a larger timeout, or look at what the dataset waits for")


def of_program(stack: str) -> str:
    """Return the innermost part of a worker's stack: what comes before the loader's own code, where there is such."""
    lines = stack.splitlines()
    own = [number for number, line in enumerate(lines) if making.__file__ in line]
    return "\n".join(lines[: own[0] if own else len(lines)])


def unpicklable(parts: dict[str, Any], method: str, told: str) -> WorkerError:
    """Return the error for a loader that cannot be sent to a process, naming the part that cannot."""
    for name, part in parts.items():
        for path, value, reason in _culprits(name, part, set()):
            return WorkerError(
                f"{path} is {value!r:.120}, which cannot be sent to a worker process started by {method!r}: {reason}. "
                "Define functions and classes at the top level of a module and open files when they are first read, or "
                "use multiprocessing_context='fork' or worker='thread', which send nothing"
            )
    return WorkerError(f"the DataLoader cannot be sent to a worker process started by {method!r}: {told}")


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def _culprits(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any, str]]:
    """Yield the parts of a value that cannot be pickled, the innermost first."""
    if id(value) in seen:
        return
    seen.add(id(value))
    try:
        pickle.Pickler(_Nowhere(), 5).dump(value)
        return
    except Exception as error:
        reason = str(error)
    if isinstance(value, dict):
        inner = {f"{path}[{key!r}]": part for key, part in value.items()}
    elif isinstance(value, list | tuple):
        inner = {f"{path}[{number}]": part for number, part in enumerate(value)}
    else:
        inner = {f"{path}.{name}": part for name, part in getattr(value, "__dict__", {}).items()}
    for inner_path, part in inner.items():
        yield from _culprits(inner_path, part, seen)
    yield path, value, reason

"""The default generator: its seed and state, and what stands in for it.

The draws, here too by name, give NumPy arrays; ``dovetail.rand`` and the like make tensors of them, on any device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dovetail.draws import cauchy, exponential, log_normal, normal, uniform
from dovetail.draws_whole import (
    bernoulli,
    geometric,
    permutation,
    random_full_range,
    random_int64,
    random_integers,
)
from dovetail.generator import Generator, chosen, default_generator, replacement

if TYPE_CHECKING:
    from dovetail.counter import CounterGenerator
    from dovetail.tensor import Tensor

__all__ = [
    "CounterGenerator", "Generator", "bernoulli", "cauchy", "counter_based", "default_generator", "exponential",
    "fork_rng", "geometric", "get_rng_state", "initial_seed", "log_normal", "manual_seed", "normal", "permutation",
    "random_full_range", "random_int64", "random_integers", "seed", "set_rng_state", "thread_safe_generator",
    "uniform",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the counter-based generator when it is first used."""
    if name == "CounterGenerator":
        from dovetail.counter import CounterGenerator

        return CounterGenerator
    raise AttributeError(f"module 'dovetail.random' has no attribute {name!r}", name=name)


def manual_seed(seed: int) -> Any:
    """Seed the default generator and return it; the same seed gives PyTorch's numbers.

    Args:
        seed: an int in [-2**63, 2**64), or what ``int`` makes one of; negative ones count from 2**64 down.

    Raises:
        TypeError: the seed is no int.
        ValueError: the seed does not fit in 64 bits.

    Example::

        >>> import dovetail
        >>> _ = dovetail.manual_seed(42)
        >>> dovetail.rand(3)
        tensor([0.8823, 0.9150, 0.3829])
    """
    return chosen().manual_seed(int(seed) if isinstance(seed, (str, float)) else seed)


def seed() -> int:
    """Give the default generator a seed that nobody can foresee and return it."""
    return chosen().seed()


def initial_seed() -> int:
    """Return the seed that the default generator started from."""
    return chosen().initial_seed()


def get_rng_state() -> Tensor:
    """Return the default generator's state, a uint8 tensor of 5056 bytes that PyTorch takes too."""
    return chosen().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator into a state that ``get_rng_state`` gave.

    Raises:
        TypeError: the state is no uint8 tensor.
        DistributionError: the bytes are not a generator's state.
    """
    chosen().set_state(new_state)


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:
    """Run a block whose draws leave the default generator as it was before.

    Args:
        devices: has no effect, since every device draws from the one default generator.
        enabled: False makes the context do nothing.

    Example::

        >>> import dovetail
        >>> _ = dovetail.manual_seed(0)
        >>> with dovetail.random.fork_rng():
        ...     _ = dovetail.rand(100)
        >>> dovetail.rand(2)
        tensor([0.4963, 0.7682])
    """
    if not enabled:
        yield
        return
    generator = chosen()
    state = generator.state_bytes()
    try:
        yield
    finally:
        generator.set_state_bytes(state)


@contextmanager
def counter_based(seed: int | CounterGenerator) -> Iterator[CounterGenerator]:
    """Draw from a counter-based generator, in this thread, wherever a block's calls name no generator.

    Args:
        seed: the generator's seed, or a ``CounterGenerator`` that is to go on.

    Example::

        >>> import dovetail
        >>> with dovetail.random.counter_based(7):
        ...     first = dovetail.rand(2)
        >>> generator = dovetail.random.CounterGenerator(7)
        >>> bool((dovetail.rand(2, generator=generator) == first).all())
        True
    """
    from dovetail.counter import CounterGenerator

    generator = seed if isinstance(seed, CounterGenerator) else CounterGenerator(seed)
    token = replacement.set(generator)
    try:
        yield generator
    finally:
        replacement.reset(token)


def thread_safe_generator() -> None:
    """Return None, which stands for the default generator: any thread may draw from it, since draws lock it."""
    return None

"""One whole training step of multilayer perceptrons, small to large."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from harness import statement

#: Sizes of the layers, and the batch.
NETS = {"784-128-10": 64, "20-32-2": 32, "784-512-512-10": 512}


def step_with(net_name: str, make_optimizer: Callable[[Any, Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """How to set up the step for a net and an optimizer, `make_optimizer(library, parameters)`."""
    sizes, batch = [int(size) for size in net_name.split("-")], NETS[net_name]

    def setup(library: Any) -> dict[str, Any]:
        library.manual_seed(0)
        nn = library.nn
        layers = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
        net = nn.Sequential(*[part for layer in layers[:-1] for part in (layer, nn.ReLU())], layers[-1])
        criterion = nn.CrossEntropyLoss()
        optimizer = make_optimizer(library, net.parameters())
        generator = np.random.default_rng(0)
        inputs = library.from_numpy(generator.random((batch, sizes[0]), dtype=np.float32))
        labels = library.from_numpy(generator.integers(0, sizes[-1], batch))

        def step() -> None:
            optimizer.zero_grad()
            criterion(net(inputs), labels).backward()
            optimizer.step()

        return {"step": step}

    return setup


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda library, parameters: library.optim.SGD(parameters, lr=0.01),
    "SGD with momentum": lambda library, parameters: library.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "Adam": lambda library, parameters: library.optim.Adam(parameters, lr=0.001),
}

CASES = [
    statement(f"step of {name}, MLP {net} at batch {batch}", "step()", step_with(net, make))
    for net, batch in NETS.items()
    for name, make in OPTIMIZERS.items()
]

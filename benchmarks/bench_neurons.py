"""A network of single numbers: neurons that add up products of 0-d tensors, as programs that explain autograd do."""

import random
from itertools import pairwise
from typing import Any

from harness import statement

SIZES = (2, 16, 16, 1)
SAMPLES = 100


def layers(library: Any, generator: random.Random) -> list[list[tuple[list[Any], Any]]]:
    """For each layer its neurons: weights, one tensor each, and a bias."""

    def number(value: float) -> Any:
        return library.tensor(value, requires_grad=True)

    return [
        [([number(generator.uniform(-1, 1)) for _ in range(inputs)], number(0.0)) for _ in range(outputs)]
        for inputs, outputs in pairwise(SIZES)
    ]


def scalar_mlp(library: Any) -> dict[str, Any]:
    """Forward and backward of the multilayer perceptron 2-16-16-1 over 100 samples, hinge loss."""
    generator = random.Random(0)
    net = layers(library, generator)
    parameters = [parameter for layer in net for weights, bias in layer for parameter in (*weights, bias)]
    samples = [[generator.uniform(-1, 1), generator.uniform(-1, 1)] for _ in range(SAMPLES)]

    def score(values: list[Any]) -> Any:
        for depth, layer in enumerate(net):
            outputs = []
            for weights, bias in layer:
                total = bias
                for weight, value in zip(weights, values, strict=True):
                    total = total + weight * value
                outputs.append(total if depth == len(net) - 1 else total.relu())
            values = outputs
        return values[0]

    def run() -> None:
        loss = sum((1.0 - score(sample) * (1 if sample[0] > 0 else -1)).relu() for sample in samples)
        loss.backward()
        for parameter in parameters:
            parameter.grad = None

    return {"run": run}


CASES = [statement("scalar MLP 2-16-16-1, 100 samples, forward and backward", "run()", scalar_mlp)]

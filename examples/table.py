"""Write a CSV file of customers with numbers, categories, dates and gaps, and learn from it who will leave.

python examples/table.py
python examples/table.py --rows 5000 --seed 7
"""

import argparse
import csv
import datetime
from pathlib import Path

import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, Table

PLANS = ("basic", "family", "business")
CITIES = ("Bergen", "Ghent", "Lyon", "Turin")


def write_customers(path: Path, rows: int, seed: int) -> None:
    """Make up customers: who pays much, calls the hotline often or came lately is likelier to leave."""
    generator = dovetail.Generator().manual_seed(seed)

    def numbers(high: int) -> list[int]:
        return dovetail.randint(0, high, (rows,), generator=generator).tolist()

    chances = dovetail.rand(rows, generator=generator).tolist()
    gaps, other_gaps = numbers(10), numbers(15)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["fee", "calls", "plan", "city", "since", "paperless", "left"])
        drawn = zip(numbers(6000), numbers(8), numbers(3), numbers(4), numbers(3000), numbers(2), strict=True)
        for row, (fee, calls, plan, city, day, paperless) in enumerate(drawn):
            score = fee / 1500 + 0.6 * calls + (day / 600) - 1.5 * (plan == 2) - 5.5
            leaves = chances[row] < 1 / (1 + 2.718 ** (-2 * score))
            writer.writerow(
                [
                    f"{fee / 100:.2f}" if gaps[row] else "",
                    calls,
                    PLANS[plan] if other_gaps[row] else "NA",
                    CITIES[city],
                    datetime.date(2016, 1, 1) + datetime.timedelta(days=day),
                    str(bool(paperless)).lower(),
                    "yes" if leaves else "no",
                ]
            )


def train(net: nn.Module, part: object, epochs: int) -> None:
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for x, y in DataLoader(part, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()


def accuracy(net: nn.Module, part: object) -> float:
    x, y = part.tensors
    with dovetail.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def main() -> None:
    description, example = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{example.rstrip()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, default=Path("customers.csv"), help="written anew (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=3000, help="customers in the file (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one, other customers (default: %(default)s)")
    options = parser.parse_args()

    write_customers(options.file, options.rows, options.seed)
    table = Table.from_csv(options.file)
    print(table)
    parts = table.split("left", validation=0.1, test=0.2, seed=options.seed, stratify=True)
    names = parts.encoder.feature_names
    print(f"{len(names)} features: {', '.join(names)}")

    dovetail.manual_seed(options.seed)
    net = nn.Sequential(nn.Linear(len(names), 32), nn.ReLU(), nn.Linear(32, len(parts.encoder.classes)))
    train(net, parts.train, options.epochs)

    said_most = int(parts.train.tensors[1].float().mean().item() >= 0.5)  # the majority of the training rows
    baseline = (parts.test.tensors[1] == said_most).float().mean().item()
    print(f"validation accuracy {accuracy(net, parts.validation):.1%}")
    print(f"test accuracy       {accuracy(net, parts.test):.1%} of {len(parts.test)} customers")
    print(f"majority baseline   {baseline:.1%} (always {parts.encoder.classes[said_most]!r})")
    first = parts.rows["test"][:5]
    with dovetail.no_grad():
        said = parts.encoder.decode(net(parts.encoder.encode(table.take(first))))
    print(f"first test rows     said {', '.join(said)}; were {', '.join(table['left'][first])}")


if __name__ == "__main__":
    main()

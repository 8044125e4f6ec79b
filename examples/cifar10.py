"""Train a small CNN on CIFAR-10 as JPEG files, read out of a zip archive and augmented by two worker processes.

python examples/cifar10.py cifar10-jpeg.zip
python examples/cifar10.py cifar10-jpeg.zip --samples 50000 --epochs 20 --workers 4

The archive holds the folders train/<class> and test/<class>; a folder that is laid out like this works too.
"""

import argparse
import time

import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, ImageFolder, Subset, make_grid, save_image
from dovetail.data import transforms as T

MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def parts(root: str, samples: int) -> tuple[Subset, Subset]:
    """Return as many samples, of all classes, for training, and a fifth of that for testing, which nothing augments."""
    augment = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ColorJitter(0.2, 0.2, 0.2)])
    numbers = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])
    chosen = []
    for name, transform, count in (("train", T.Compose([augment, numbers]), samples), ("test", numbers, samples // 5)):
        images = ImageFolder(f"{root}/{name}", transform=transform)
        order = dovetail.randperm(len(images), generator=dovetail.Generator().manual_seed(0)).tolist()
        chosen.append(Subset(images, order[:count]))
    return chosen[0], chosen[1]


def train(net: nn.Module, loader: DataLoader, optimizer: optim.Optimizer) -> float:
    """One epoch; returns the mean loss."""
    net.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(loader.dataset)


def accuracy(net: nn.Module, loader: DataLoader) -> float:
    """The share of images whose class was found."""
    net.eval()
    with dovetail.no_grad():
        right = sum((net(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return right / len(loader.dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the zip archive, or a folder")
    parser.add_argument("--samples", type=int, default=5000, help="training images to use (default: 5000)")
    parser.add_argument("--epochs", type=int, default=3, help="passes over them (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read and augment (default: 2)")
    options = parser.parse_args()

    dovetail.manual_seed(0)
    training, test = parts(options.data, options.samples)
    loader = DataLoader(training, batch_size=64, shuffle=True, num_workers=options.workers)
    test_loader = DataLoader(test, batch_size=250, num_workers=options.workers)
    net = nn.Sequential(
        *convolution(3, 16), *convolution(16, 32), *convolution(32, 64), nn.Flatten(), nn.Linear(64 * 4 * 4, 10)
    )
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    for epoch in range(options.epochs):
        begin = time.perf_counter()
        loss = train(net, loader, optimizer)
        speed = len(training) / (time.perf_counter() - begin)
        print(f"epoch {epoch}: loss {loss:.3f}, test accuracy {accuracy(net, test_loader):.1%}, {speed:.0f} images/s")
    images, _ = next(iter(loader))
    save_image(make_grid(images, nrow=16, normalize=True), "cifar10.png")
    print("a batch as the network sees it: cifar10.png")


if __name__ == "__main__":
    main()

"""Train a small CNN on handwritten digits, keep the best, draw what it learned, and use it in a fresh process.

python examples/digits.py
python examples/digits.py --out runs/mine --seed 7
python examples/digits.py --predict runs/digits/version_0/checkpoints/best.ckpt
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import dovetail
import dovetail.lightning as L
import dovetail.nn.functional as F
from dovetail import nn, optim
from dovetail.data import DataLoader, Digits, random_split
from dovetail.lightning.callbacks import ModelCheckpoint, ModelSummary
from dovetail.lightning.loggers import CSVLogger
from dovetail.lightning.plots import plot_run

SIZE = 8  # pixels each way


class DigitsNet(L.LightningModule):
    """Three convolutions and a linear layer: 26,090 parameters."""

    def __init__(self, lr: float = 5e-3, epochs: int = 16, dropout: float = 0.3, smoothing: float = 0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(
            *convolution(1, 16),
            *convolution(16, 32),
            nn.MaxPool2d(2),
            *convolution(32, 64),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(64 * 2 * 2, 10),
        )

    def forward(self, images):
        return self.layers(images)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        images, labels = batch
        return (shifted(images) if self.trainer.training else images), labels

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("train_loss", F.cross_entropy(logits.detach(), labels), on_step=False, on_epoch=True, prog_bar=True)
        self.log("train_acc", accuracy(logits, labels), on_step=False, on_epoch=True)
        return F.cross_entropy(logits, labels, label_smoothing=self.hparams.smoothing)

    def validation_step(self, batch, batch_idx):
        self.evaluate(batch, "val")

    def test_step(self, batch, batch_idx):
        self.evaluate(batch, "test")

    def evaluate(self, batch, stage):
        images, labels = batch
        logits = self(images)
        self.log(f"{stage}_loss", F.cross_entropy(logits, labels), prog_bar=True)
        self.log(f"{stage}_acc", accuracy(logits, labels), prog_bar=True)

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).argmax(1)

    def configure_optimizers(self):
        optimizer = optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-2)
        steps = self.trainer.estimated_stepping_batches
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def convolution(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float().mean()


def shifted(images):
    """Move each image by up to one pixel in each direction: another hand would have written a little beside."""
    count = len(images)
    rows, columns = dovetail.randint(0, 3, (2, count, 1)) + dovetail.arange(SIZE)
    samples = dovetail.arange(count).reshape(count, 1, 1)
    return F.pad(images, (1, 1, 1, 1))[samples, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def train(out: Path, epochs: int, seed: int) -> None:
    """Train, test, draw the picture, and have a fresh process load the checkpoint and predict."""
    begin = time.perf_counter()
    L.seed_everything(seed)
    train_part, val_part = random_split(Digits(train=True), [0.9, 0.1])
    test_part = Digits(train=False)
    best = ModelCheckpoint(filename="best", monitor="val_loss")
    trainer = L.Trainer(max_epochs=epochs, callbacks=[best, ModelSummary(max_depth=2)], logger=CSVLogger(out, name=""))
    trainer.fit(
        DigitsNet(epochs=epochs),
        DataLoader(train_part, batch_size=64, shuffle=True, drop_last=True),
        DataLoader(val_part, batch_size=256),
    )
    test_loader = DataLoader(test_part, batch_size=256)
    tested = trainer.test(dataloaders=test_loader)[0]["test_acc"]  # with the best checkpoint
    predictions = dovetail.cat(trainer.predict(dataloaders=test_loader)).tolist()

    metrics = Path(trainer.logger.metrics_file_path)
    picture = metrics.with_name("digits.png")
    draw(picture, metrics, test_part, predictions)
    here, fresh = sentence(tested, len(test_part)), in_fresh_process(best.best_model_path)
    print(f"checkpoint     {best.best_model_path}\nmetrics        {metrics}\npicture        {picture}")
    print(f"here           {here}\nfresh process  {fresh}\ntime           {time.perf_counter() - begin:.1f} s in all")
    if fresh != here:
        sys.exit("the checkpoint does not predict what the trained model did")


def draw(picture: Path, metrics: Path, digits: Digits, predictions: list) -> None:
    """Draw the curves beside 60 test digits: the ones that the model got wrong, then the first of the others."""
    labels = digits.targets.tolist()
    order = sorted(range(len(labels)), key=lambda index: predictions[index] == labels[index])[:60]
    right = sum(label == said for label, said in zip(labels, predictions, strict=True))
    plot_run(
        picture,
        metrics,
        digits.images[order],
        [labels[index] for index in order],
        [predictions[index] for index in order],
        title=f"{right} of {len(labels)} test digits right; red: what it said (what it is)",
    )


def predict(checkpoint: str) -> None:
    """Load a checkpoint and say how many test digits it gets right."""
    net = DigitsNet.load_from_checkpoint(checkpoint)
    net.eval()
    test_part = Digits(train=False)
    with dovetail.no_grad():
        right = (net(test_part.images).argmax(1) == test_part.targets).sum().item()
    print(sentence(right / len(test_part), len(test_part)))


def in_fresh_process(checkpoint: str) -> str:
    command = [sys.executable, __file__, "--predict", checkpoint]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sentence(share: float, count: int) -> str:
    return f"{share:.2%} of {count} test digits right ({round(share * count)})"


def main() -> None:
    description, example = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{example.rstrip()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="where to write (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one, another run (default: %(default)s)")
    parser.add_argument("--predict", metavar="CHECKPOINT", help="only load this checkpoint and test it")
    options = parser.parse_args()
    if options.predict:
        predict(options.predict)
    else:
        train(options.out, options.epochs, options.seed)


if __name__ == "__main__":
    main()

"""A small model, small data and a quiet Trainer."""

import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, TensorDataset
from dovetail.lightning import LightningModule, Trainer


class Line(LightningModule):
    """y = 2x + 1, to be found out."""

    def __init__(self, lr=0.1, dropout=0.0):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(1, 4), nn.Dropout(dropout), nn.Linear(4, 1))

    def forward(self, x):
        return self.layers(x)

    def loss(self, batch):
        x, y = batch
        return ((self(x) - y) ** 2).mean()

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.loss(batch))

    def configure_optimizers(self):
        return optim.SGD(self.parameters(), lr=self.hparams.lr)


class Scripted(Line):
    """Validation losses as told."""

    script = ()

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.script[self.current_epoch])


def scripted(values, **attributes):
    return type("Model", (Scripted,), {"script": values, **attributes})()


def data(count=16):
    x = dovetail.linspace(-1, 1, count).reshape(count, 1)
    return TensorDataset(x, 2 * x + 1)


def loader(count=16, batch_size=4, **options):
    return DataLoader(data(count), batch_size=batch_size, **options)


def quiet(**options):
    """A Trainer that writes and prints nothing unless told to."""
    silent = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(**{**silent, "num_sanity_val_steps": 0, **options})

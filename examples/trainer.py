import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, Digits
from dovetail.lightning import LightningModule, Trainer


class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return nn.functional.cross_entropy(self.layers(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("accuracy", (self.layers(images).argmax(1) == labels).float().mean(), prog_bar=True)

    def configure_optimizers(self):
        return optim.Adam(self.parameters(), lr=0.005)


dovetail.manual_seed(0)
trainer = Trainer(max_epochs=10)
trainer.fit(Net(), DataLoader(Digits(train=True), batch_size=64, shuffle=True), DataLoader(Digits(train=False), 256))

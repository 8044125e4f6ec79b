"""Training: what happens, in which order, and how often."""

import pytest
from lightning_helpers import Line, data, loader, quiet

import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, IterableDataset
from dovetail.lightning import Callback
from dovetail.lightning.module_hooks import CALLBACK_ONLY, EVENTS


def test_it_learns():
    model = Line()
    trainer = quiet(max_epochs=40)
    trainer.fit(model, loader(shuffle=True))
    assert trainer.callback_metrics["train_loss"].item() < 1e-3
    assert model(dovetail.tensor([[0.5]])).item() == pytest.approx(2.0, abs=0.05)
    assert (trainer.current_epoch, trainer.global_step) == (40, 160)


def test_fit_equals_the_bare_loop():
    dovetail.manual_seed(3)
    model = Line()
    quiet(max_epochs=3, num_sanity_val_steps=2).fit(model, loader(shuffle=True), loader())

    dovetail.manual_seed(3)
    bare = Line()
    optimizer = optim.SGD(bare.parameters(), lr=0.1)
    batches = loader(shuffle=True)
    for _ in range(3):
        for batch in batches:
            optimizer.zero_grad()
            bare.loss(batch).backward()
            optimizer.step()
        for _ in loader():  # validation makes an iterator, which draws a seed
            pass
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in bare.parameters()]


class Recorder(Callback):
    """Writes down every event."""

    def __init__(self):
        self.seen = []


def record(name):
    return lambda self, *arguments: self.seen.append(name)


for event in (*EVENTS, *CALLBACK_ONLY):
    setattr(Recorder, event, record(event))

STEP = ["on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward"]
STEP += ["on_before_optimizer_step", "on_train_batch_end"]
VALIDATION = [
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_start",
    "on_validation_batch_end",
]
VALIDATION += ["on_validation_epoch_end", "on_validation_end"]


def test_events_come_in_lightnings_order():
    recorder = Recorder()
    quiet(max_epochs=1, limit_train_batches=2, limit_val_batches=1, num_sanity_val_steps=1, callbacks=recorder).fit(
        Line(), loader(), loader()
    )
    assert recorder.seen == [
        "setup",
        "on_fit_start",
        "on_sanity_check_start",
        *VALIDATION,
        "on_sanity_check_end",
        "on_train_start",
        "on_train_epoch_start",
        *STEP,
        *STEP,
        *VALIDATION,
        "on_train_epoch_end",
        "on_train_end",
        "on_fit_end",
        "teardown",
    ]


@pytest.mark.parametrize("called", ["validate", "test", "predict"])
def test_events_of_the_other_runs(called):
    stage = {"validate": "validation"}.get(called, called)
    recorder = Recorder()
    getattr(quiet(callbacks=recorder, limit_val_batches=1, limit_test_batches=1, limit_predict_batches=1), called)(
        Line(), loader()
    )
    inside = [event.replace("validation", stage) for event in VALIDATION]
    assert recorder.seen == ["setup", *inside, "teardown"]


def test_the_names_of_events_are_frozen():
    assert set(EVENTS) == {
        "setup", "teardown", "on_fit_start", "on_fit_end", "on_train_start", "on_train_end",
        "on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step",
        "on_save_checkpoint", "on_load_checkpoint",
        *(f"on_{stage}_{part}" for stage in ("train", "validation", "test", "predict")
          for part in ("start", "end", "epoch_start", "epoch_end", "batch_start", "batch_end")),
    }  # fmt: skip


def test_callbacks_are_told_before_the_model_and_in_their_order():
    told = []

    class Told(Line):
        def on_train_start(self):
            told.append("model")

    def teller(name):
        return type(name, (Callback,), {"on_train_start": lambda self, trainer, module: told.append(name)})()

    quiet(max_epochs=1, callbacks=[teller("a"), teller("b")]).fit(Told(), loader())
    assert told == ["a", "b", "model"]


def test_max_steps_ends_in_the_middle_of_an_epoch():
    trainer = quiet(max_steps=6)
    trainer.fit(Line(), loader())
    assert (trainer.global_step, trainer.current_epoch, trainer.max_epochs) == (6, 2, -1)


@pytest.mark.parametrize(("limit", "steps"), [(1, 2), (0.5, 4), (3, 6), (1.0, 8), (99, 8), (0, 0)])
def test_limit_train_batches(limit, steps):
    trainer = quiet(max_epochs=2, limit_train_batches=limit)
    trainer.fit(Line(), loader())
    assert trainer.global_step == steps


class CountingLine(Line):
    validations = 0

    def on_validation_epoch_end(self):
        self.validations += 1


@pytest.mark.parametrize(
    ("options", "validations"),
    [
        ({}, 4),
        ({"check_val_every_n_epoch": 2}, 2),
        ({"val_check_interval": 0.5}, 8),
        ({"val_check_interval": 3}, 4),
        ({"val_check_interval": 1.0}, 4),
        ({"limit_val_batches": 0}, 0),
        ({"num_sanity_val_steps": 1}, 5),
    ],
)
def test_when_it_validates(options, validations):
    model = CountingLine()
    quiet(max_epochs=4, **options).fit(model, loader(), loader())
    assert model.validations == validations


def test_sanity_check_leaves_no_trace():
    class Noisy(Line):
        def validation_step(self, batch, batch_idx):
            dovetail.rand(3)
            super().validation_step(batch, batch_idx)

        def on_train_start(self):
            self.seen = (dict(self.trainer.metrics.callback), dovetail.rand(1).item(), self.trainer.sanity_checking)

    seen = []
    for steps in (0, 2, -1):
        dovetail.manual_seed(5)
        model = Noisy()
        quiet(max_epochs=1, num_sanity_val_steps=steps).fit(model, loader(), loader())
        seen.append(model.seen)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == {}
    assert seen[0][2] is False


def test_a_step_may_be_skipped_and_an_epoch_cut_short():
    class Picky(Line):
        def training_step(self, batch, batch_idx):
            return None if batch_idx == 0 else {"loss": self.loss(batch), "extra": 1}

        def on_train_batch_start(self, batch, batch_idx):
            return -1 if batch_idx == 3 else None

    trainer = quiet(max_epochs=2)
    trainer.fit(Picky(), loader())
    assert trainer.global_step == 4


def test_should_stop_ends_training_after_the_step():
    class Stopping(Line):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            self.trainer.should_stop = self.trainer.global_step == 5

    trainer = quiet(max_epochs=9)
    trainer.fit(Stopping(), loader())
    assert (trainer.global_step, trainer.current_epoch) == (5, 2)


def test_validation_sees_evaluation_mode_and_no_gradients_and_gives_modes_back():
    class Checking(Line):
        def validation_step(self, batch, batch_idx):
            assert not any(module.training for module in self.modules())
            assert not self(batch[0]).requires_grad

        def training_step(self, batch, batch_idx):
            assert self.training
            assert not self.layers[1].training
            return self.loss(batch)

    model = Checking()
    model.layers[1].eval()  # a frozen layer stays frozen
    quiet(max_epochs=2).fit(model, loader(), loader())
    assert model.training
    assert not model.layers[1].training


def test_a_model_in_evaluation_mode_is_put_to_training():
    model = Line().eval()
    quiet(max_epochs=1).fit(model, loader())
    assert all(module.training for module in model.modules())


def test_gradients_are_clipped_before_the_step():
    class Steep(Line):
        norms = ()

        def training_step(self, batch, batch_idx):
            return self.loss(batch) * 1000

        def on_before_optimizer_step(self, optimizer):
            squares = sum((parameter.grad**2).sum().item() for parameter in self.parameters())
            self.norms = (*self.norms, squares**0.5)

    model = Steep()
    quiet(max_epochs=1, gradient_clip_val=0.5).fit(model, loader())
    assert max(model.norms) == pytest.approx(0.5, rel=1e-3)


def test_schedulers_step_by_epoch_or_by_step_and_on_plateau():
    class Scheduled(Line):
        interval, frequency = "epoch", 1

        def configure_optimizers(self):
            optimizer = optim.SGD(self.parameters(), lr=1.0)
            scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
            how = {"scheduler": scheduler, "interval": self.interval, "frequency": self.frequency}
            return {"optimizer": optimizer, "lr_scheduler": how}

        def training_step(self, batch, batch_idx):
            return self.loss(batch) * 0

    class Plateau(Scheduled):
        def configure_optimizers(self):
            optimizer = optim.SGD(self.parameters(), lr=1.0)
            scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}

    def rate(cls, **attributes):
        model = type("Model", (cls,), attributes)()
        trainer = quiet(max_epochs=3)
        trainer.fit(model, loader(), loader())
        return trainer.optimizers[0].param_groups[0]["lr"]

    assert rate(Scheduled) == 0.5**3
    assert rate(Scheduled, frequency=2) == 0.5
    assert rate(Scheduled, interval="step") == 0.5**12
    assert rate(Scheduled, interval="step", frequency=4) == 0.5**3
    assert rate(Plateau) == 0.25


def test_lists_of_optimizers_and_schedulers():
    class Listed(Line):
        def configure_optimizers(self):
            optimizer = optim.SGD(self.parameters(), lr=1e-3)
            return [optimizer], [optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)]

    trainer = quiet(max_epochs=1)
    model = Listed()
    trainer.fit(model, loader())
    assert model.optimizers() is trainer.optimizers[0]
    assert model.lr_schedulers().get_last_lr() == pytest.approx([1e-4])


def test_loaders_of_the_model_are_used_where_none_is_given():
    class Own(Line):
        def train_dataloader(self):
            return loader()

        def val_dataloader(self):
            return loader()

    model = Own()
    trainer = quiet(max_epochs=1)
    trainer.fit(model)
    assert trainer.global_step == 4
    assert "val_loss" in trainer.callback_metrics


def test_a_stream_without_length_is_trained_on_to_its_end():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(data(10))

    trainer = quiet(max_epochs=2)
    trainer.fit(Line(), DataLoader(Stream(), batch_size=4))
    assert trainer.global_step == 6
    assert trainer.num_training_batches == float("inf")


def test_batch_hooks_and_augmentation():
    class Shifted(Line):
        def on_before_batch_transfer(self, batch, dataloader_idx):
            return [batch[0] + 1, batch[1]]

        def on_after_batch_transfer(self, batch, dataloader_idx):
            return [batch[0] * 2, batch[1]]

        def training_step(self, batch, batch_idx):
            self.least = batch[0].min().item()
            return self.loss(batch)

    model = Shifted()
    quiet(max_epochs=1, limit_train_batches=1).fit(model, loader())
    assert model.least == 0.0


def test_fast_dev_run_tries_everything_once_and_writes_nothing(tmp_path):
    from dovetail.lightning import Trainer
    from dovetail.lightning.callbacks import EarlyStopping

    trainer = Trainer(
        fast_dev_run=True, callbacks=EarlyStopping("x"), enable_progress_bar=False, enable_model_summary=False
    )
    model = CountingLine()
    trainer.fit(model, loader(), loader())
    assert (trainer.global_step, model.validations) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_estimated_stepping_batches_is_known_when_optimizers_are_made():
    class Asking(Line):
        def configure_optimizers(self):
            self.steps = self.trainer.estimated_stepping_batches
            return super().configure_optimizers()

    for options, steps in (({"max_epochs": 3}, 12), ({"max_epochs": 3, "max_steps": 5}, 5), ({"max_steps": 5}, 5)):
        model = Asking()
        quiet(**options).fit(model, loader())
        assert model.steps == steps


def test_manual_layers_work_too():
    class Embedded(Line):
        def __init__(self):
            super().__init__()
            self.extra = nn.Embedding(3, 1)

    quiet(max_epochs=1).fit(Embedded(), loader())

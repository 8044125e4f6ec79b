"""Bad input: each is told with what it got, what was allowed and what to do."""

import re

import pytest
from lightning_helpers import Line, loader, quiet

import dovetail
from dovetail import optim
from dovetail.data import DataLoader
from dovetail.errors import DeviceError, DovetailError
from dovetail.lightning import LightningModule, MisconfigurationException, seed_everything
from dovetail.lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, ProgressBar
from dovetail.lightning.loggers import Logger


def raises(words):
    return pytest.raises(MisconfigurationException, match=re.escape(words))


def without(*names):
    kept = {name: value for name, value in vars(Line).items() if name not in names and name != "__classcell__"}
    return type("Bare", (LightningModule,), {**kept, "__init__": lambda self: LightningModule.__init__(self)})()


def test_it_is_a_dovetail_error():
    assert issubclass(MisconfigurationException, DovetailError)
    assert issubclass(MisconfigurationException, RuntimeError)


@pytest.mark.parametrize("name", ["training_step", "configure_optimizers"])
def test_a_model_without_a_method(name):
    with raises(f"Bare has no {name}, which trainer.fit needs; define it"):
        quiet().fit(without(name), loader())


def test_a_model_without_the_step_of_its_loader():
    with raises("Bare has no validation_step, which trainer.fit with a validation loader needs"):
        quiet(max_epochs=1).fit(without("validation_step"), loader(), loader())
    with raises("Bare has no test_step, which trainer.test needs; define it"):
        quiet().test(without("test_step"), loader())


@pytest.mark.parametrize(("call", "needs"), [("training_step", "fit"), ("validation_step", "validate")])
def test_calling_a_step_that_is_not_there(call, needs):
    with raises(f"LightningModule has no {call}, which trainer.{needs} needs; define it"):
        getattr(LightningModule(), call)(None, 0)
    with raises("LightningModule has no configure_optimizers"):
        LightningModule().configure_optimizers()


def test_what_is_no_model():
    with raises("trainer.fit takes a LightningModule, got Linear"):
        quiet().fit(dovetail.nn.Linear(1, 1), loader())
    with raises("trainer.fit takes a LightningModule, got the class Line; pass an object of it"):
        quiet().fit(Line, loader())


def optimized_by(answer):
    model = Line()
    model.configure_optimizers = None
    return type("Model", (Line,), {"configure_optimizers": lambda self: answer(self)})()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda m: None, "Model.configure_optimizers returned None; return an optimizer, [optimizer]"),
        (lambda m: "adam", "gave str where an optimizer is needed"),
        (lambda m: {"opt": 1}, "returned a dict with ['opt'] and no 'optimizer'"),
        (lambda m: [optim.SGD(m.parameters(), 0.1)] * 2, "gave 2 optimizers; the Trainer steps exactly one"),
        (
            lambda m: {"optimizer": optim.SGD(m.parameters(), 0.1), "lr_scheduler": {"intervall": "step"}},
            "gave a scheduler dict with ['intervall']; it needs 'scheduler' and takes ['frequency', 'interval'",
        ),
        (lambda m: ([optim.SGD(m.parameters(), 0.1)], ["cosine"]), "gave str where a scheduler is needed"),
        (
            lambda m: (
                lambda o: {
                    "optimizer": o,
                    "lr_scheduler": {"scheduler": optim.lr_scheduler.StepLR(o, 1), "interval": "batch"},
                }
            )(optim.SGD(m.parameters(), 0.1)),
            "a scheduler's interval is 'epoch' or 'step', got 'batch'",
        ),
        (
            lambda m: (lambda o: ([o], [optim.lr_scheduler.ReduceLROnPlateau(o)]))(optim.SGD(m.parameters(), 0.1)),
            "ReduceLROnPlateau needs to know what to look at",
        ),
    ],
)
def test_what_configure_optimizers_may_return(answer, words):
    with raises(words):
        quiet().fit(optimized_by(answer), loader())


def test_a_scheduler_that_looks_at_nothing():
    def answer(model):
        optimizer = optim.SGD(model.parameters(), 0.1)
        scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "accuracy"}}

    with raises("the scheduler monitors 'accuracy', which was not logged; logged so far: 'train_loss'"):
        quiet(max_epochs=1).fit(optimized_by(answer), loader())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda self, batch: 0.5, "Model.training_step returned float; return the loss as a scalar tensor"),
        (lambda self, batch: {"los": 1}, "returned a dict with ['los']; the loss goes under 'loss'"),
        (lambda self, batch: self(batch[0]), "returned a loss of shape (4, 1); a loss is one number: reduce it"),
        (lambda self, batch: self.loss(batch).detach(), "depends on no parameter that needs a gradient"),
    ],
)
def test_what_training_step_may_return(step, words):
    model = type("Model", (Line,), {"training_step": lambda self, batch, batch_idx: step(self, batch)})()
    with raises(words):
        quiet(max_epochs=1).fit(model, loader())


def test_loaders_that_are_missing_empty_or_many():
    with raises("trainer.fit needs a loader: pass one, or define train_dataloader on Line"):
        quiet().fit(Line())
    with raises("trainer.test needs a loader"):
        quiet().test(Line())
    with raises("the training loader yields no batch: its dataset is empty"):
        quiet().fit(Line(), DataLoader([], batch_size=4))
    with raises("the validation loader yields no batch: its dataset is empty"):
        quiet().fit(Line(), loader(), loader(count=2, batch_size=4, drop_last=True))
    with raises("the Trainer takes one val loader, something that yields batches, got list with 2 loaders; join"):
        quiet().fit(Line(), loader(), [loader(), loader()])
    with raises("the Trainer takes one train loader, something that yields batches, got int"):
        quiet().fit(Line(), 3)
    with raises("the training loader yields no batch: its dataset is empty, or it was used up by an earlier pass"):
        quiet(max_epochs=2).fit(Line(), iter(loader()))
    with raises("the test loader yields no batch"):
        quiet().test(Line(), iter([]))


def test_monitors_that_look_at_what_was_not_logged():
    for callback in (EarlyStopping("val_acc"), ModelCheckpoint(monitor="val_acc")):
        name = type(callback).__name__
        options = {"enable_checkpointing": True} if name == "ModelCheckpoint" else {}
        with raises(f"{name} monitors 'val_acc', which was not logged; logged so far: 'train_loss', 'val_loss'"):
            quiet(max_epochs=2, callbacks=callback, **options).fit(Line(), loader(), loader())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("lots", "log('x', ...) takes a number or a tensor with one element, got str"),
        (dovetail.zeros(2), "log('x', ...) takes one number, got a tensor of shape (2,); reduce it first"),
    ],
)
def test_what_may_be_logged(value, words):
    model = type("Model", (Line,), {"validation_step": lambda self, batch, batch_idx: self.log("x", value)})()
    with raises(words):
        quiet().validate(model, loader())


def test_how_it_may_be_reduced():
    step = lambda self, batch, batch_idx: self.log("x", 1.0, reduce_fx="median")  # noqa: E731
    with raises("log('x', ...) takes reduce_fx 'mean', 'sum', 'min', 'max', got 'median'"):
        quiet().validate(type("Model", (Line,), {"validation_step": step})(), loader())


def test_a_module_without_trainer():
    with raises("Line is not attached to a Trainer; hand it to trainer.fit"):
        Line().trainer  # noqa: B018
    with pytest.warns(UserWarning, match=r"Line.log\('train_loss', ...\) does nothing, since no Trainer runs"):
        Line().training_step(next(iter(loader())), 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_epochs": 1.5}, "max_epochs is a whole number of -1 or more, got 1.5"),
        ({"max_steps": -2}, "max_steps is a whole number of -1 or more, got -2"),
        ({"limit_val_batches": 1.5}, "limit_val_batches is a whole number of batches (0 or more) or a fraction"),
        ({"limit_train_batches": True}, "limit_train_batches is a whole number of batches"),
        ({"val_check_interval": 0}, "val_check_interval is a whole number of batches or a fraction"),
        ({"check_val_every_n_epoch": 0}, "check_val_every_n_epoch is a whole number of 1 or more, got 0"),
        ({"gradient_clip_val": -1}, "gradient_clip_val is a number of 0 or more, or None, got -1"),
        ({"devices": 2}, "the Trainer runs on one device: devices is 'auto', 1, or a list with one index, got 2"),
        ({"callbacks": [3]}, "callbacks takes Callbacks or their names, got 3"),
        ({"logger": [3]}, "logger takes Loggers, their names, True or False, got 3"),
        ({"callbacks": ProgressBar()}, "enable_progress_bar=False, and callbacks holds a ProgressBar; leave one out"),
        ({"callbacks": [EarlyStopping("a"), EarlyStopping("a")]}, "two callbacks have the state_key"),
    ],
)
def test_trainer_arguments(options, words):
    with raises(words):
        quiet(**options)


def test_an_unknown_accelerator():
    with pytest.raises(DeviceError, match="'acme'"):
        quiet(accelerator="acme")


def test_intervals_and_limits_that_do_not_fit_the_loader():
    with raises("val_check_interval=9 is more than the 4 training batches of an epoch"):
        quiet(val_check_interval=9).fit(Line(), loader(), loader())
    with raises("limit_train_batches=0.1 of 4 batches is no batch; at least 0.25 is needed"):
        quiet(limit_train_batches=0.1).fit(Line(), loader())
    with raises("limit_train_batches=0.5 is a fraction of a loader whose length is unknown"):
        quiet(limit_train_batches=0.5).fit(Line(), iter(loader()))
    with raises("val_check_interval=0.5 is a fraction of a loader whose length is unknown"):
        quiet(val_check_interval=0.5).fit(Line(), iter(loader()), loader())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EarlyStopping("x", mode="up"), "mode is 'min' (smaller is better) or 'max', got 'up'"),
        (lambda: ModelCheckpoint(save_top_k=-2), "save_top_k is -1 (all), 0 (none) or more, got -2"),
        (lambda: ModelCheckpoint(save_top_k=3), "save_top_k=3 needs a metric to say what is best"),
        (lambda: ModelCheckpoint(monitor="x", every_n_train_steps=2), "leave monitor out"),
        (lambda: LearningRateMonitor("day"), "logging_interval is 'step' or 'epoch', got 'day'"),
        (lambda: ProgressBar("paper"), "where is 'terminal', 'notebook', 'plain' or None, got 'paper'"),
        (lambda: seed_everything(-1), "a seed is a whole number from 0 to 4294967295, got -1"),
        (lambda: quiet().lightning_module, "the Trainer has no model yet"),
        (lambda: quiet().save_checkpoint("x.ckpt"), "there is nothing to save before"),
        (lambda: quiet().test(), "trainer.test needs a model: pass one, or call fit first"),
        (lambda: quiet().estimated_stepping_batches, "estimated_stepping_batches is known once fit"),
    ],
)
def test_other_arguments(make, words):
    with raises(words):
        make()


def test_a_logger_without_its_method():
    with pytest.raises(TypeError, match="Empty has no log_metrics"):
        type("Empty", (Logger,), {})().log_metrics({})

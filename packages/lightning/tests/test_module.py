"""LightningModule: hyperparameters, logging, where it runs, prediction."""

import pytest
from lightning_helpers import Line, loader, quiet

import dovetail
from dovetail import nn
from dovetail.lightning import LightningModule, MisconfigurationException, seed_everything


class Kept(LightningModule):
    def __init__(self, width, *, depth=2, layer=None, **rest):
        super().__init__()
        self.save_hyperparameters(ignore="layer")


class Deeper(Kept):
    def __init__(self, name="deep", width=7):
        super().__init__(width, depth=9, extra=1)


def test_hyperparameters_are_the_arguments_of_init():
    assert Kept(3, layer=nn.ReLU(), more=5).hparams == {"width": 3, "depth": 2, "more": 5}
    assert Deeper().hparams == {"width": 7, "depth": 9, "extra": 1, "name": "deep"}


def test_some_hyperparameters_only():
    class Some(LightningModule):
        def __init__(self, a, b=2):
            super().__init__()
            self.save_hyperparameters("b")

    assert Some(1).hparams == {"b": 2}
    with pytest.raises(AttributeError, match="no hyperparameter 'a'; there are b"):
        Some(1).hparams.a  # noqa: B018


def test_a_name_that_is_no_argument():
    class Wrong(LightningModule):
        def __init__(self, a):
            super().__init__()
            self.save_hyperparameters("aa")

    with pytest.raises(MisconfigurationException, match="got 'aa', which is no argument of this __init__; it has a"):
        Wrong(1)


def test_hyperparameters_may_be_set():
    model = Line()
    model.hparams.lr = 3
    assert model.hparams["lr"] == 3


def test_predict_gives_one_result_per_batch():
    model = Line()
    results = quiet().predict(model, loader(6, 4))
    assert [tuple(result.shape) for result in results] == [(4, 1), (2, 1)]
    assert not results[0].requires_grad


def test_predict_without_override_takes_a_bare_batch_too():
    model = Line()
    x = dovetail.ones(2, 1)
    assert quiet().predict(model, [x])[0].tolist() == model.eval()(x).tolist()


def test_log_dict_and_what_test_returns():
    class Both(Line):
        def test_step(self, batch, batch_idx):
            self.log_dict({"a": 1, "b": dovetail.tensor([2.0])}, prog_bar=True)

    trainer = quiet()
    assert trainer.test(Both(), loader(), verbose=False) == [{"a": 1.0, "b": 2.0}]
    assert trainer.progress_bar_metrics == {"a": 1.0, "b": 2.0}
    assert trainer.logged_metrics["b"].item() == 2.0


def test_epoch_means_are_weighted_by_batch_size():
    class Mean(Line):
        def test_step(self, batch, batch_idx):
            self.log("mean", batch[0].mean())
            self.log("told", batch[0].mean(), batch_size=1)
            for name in ("sum", "min", "max"):
                self.log(name, batch[0].mean(), reduce_fx=name)

    x = dovetail.tensor([1.0, 2.0, 3.0, 4.0, 10.0])
    batches = [{"name": ["a", "b"], "x": [x[:4]]}, {"name": ["c"], "x": [x[4:]]}]
    batches = [(batch["x"][0], batch["name"]) for batch in batches]
    found = quiet().test(Mean(), batches, verbose=False)[0]
    assert found == {"mean": 4.0, "told": 6.25, "sum": 12.5, "min": 2.5, "max": 10.0}


def test_what_is_logged_is_not_changed_later():
    class Running(Line):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", dovetail.zeros(1))

        def test_step(self, batch, batch_idx):
            self.count += 1
            self.log("count", self.count)

    assert quiet().test(Running(), loader(), verbose=False) == [{"count": 2.5}]


def test_step_and_epoch_values_have_names_of_their_own():
    class Both(Line):
        def training_step(self, batch, batch_idx):
            self.log("x", float(batch_idx), on_step=True, on_epoch=True)
            return self.loss(batch)

    trainer = quiet(max_epochs=1)
    trainer.fit(Both(), loader())
    found = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert found == {"x_step": 3.0, "x_epoch": 1.5, "x": 1.5}


def test_what_a_module_knows_of_its_trainer():
    class Curious(Line):
        def on_train_epoch_start(self):
            self.seen = (self.current_epoch, self.global_step, str(self.device), self.logger)

    model = Curious()
    assert (model.current_epoch, model.global_step, model.logger) == (0, 0, None)
    trainer = quiet(max_epochs=2)
    trainer.fit(model, loader())
    assert model.seen == (1, 4, "cpu", None)
    assert model.trainer is trainer
    assert model.lr_schedulers() is None


def test_freeze_and_unfreeze():
    model = Line()
    model.freeze()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    model.unfreeze()
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_seed_everything_seeds_all_three():
    import random

    import numpy as np

    drawn = []
    for _ in range(2):
        assert seed_everything(7) == 7
        drawn.append((dovetail.rand(1).item(), random.random(), np.random.rand()))
    assert drawn[0] == drawn[1]


def test_batches_of_any_structure_are_moved():
    batch = {"x": [dovetail.ones(2)], "name": "a"}
    moved = Line().transfer_batch_to_device(batch, dovetail.device("cpu"), 0)
    assert moved["x"][0].tolist() == [1.0, 1.0]
    assert moved["name"] == "a"


def test_state_dict_holds_layers_only():
    assert list(Line().state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]

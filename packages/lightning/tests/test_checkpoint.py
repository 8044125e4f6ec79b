"""Checkpoints: what is written, what is kept, and going on from one as if nothing had happened."""

import math
import os
import re

import pytest
from lightning_helpers import Line, Scripted, loader, quiet, scripted

import dovetail
from dovetail import optim
from dovetail.lightning import Callback, LightningModule, MisconfigurationException
from dovetail.lightning.callbacks import EarlyStopping, ModelCheckpoint


def weights(model):
    return {name: tensor.tolist() for name, tensor in model.state_dict().items()}


def files(folder):
    return sorted(os.listdir(folder))


class Rich(Line):
    """Draws random numbers, has momentum and a scheduler: everything that a resume can get wrong."""

    def __init__(self, lr=0.05):
        super().__init__(lr=lr, dropout=0.3)
        self.save_hyperparameters()

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("mean_loss", loss, on_epoch=True, on_step=False)
        return loss

    def configure_optimizers(self):
        optimizer = optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.7)]


def test_default_checkpoint_is_the_latest_in_the_loggers_folder(tmp_path):
    from dovetail.lightning import Trainer

    trainer = Trainer(max_epochs=2, default_root_dir=tmp_path, enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(Line(), loader())
    folder = tmp_path / "lightning_logs" / "version_0" / "checkpoints"
    assert files(folder) == ["epoch=1-step=8.ckpt"]
    assert trainer.checkpoint_callback.best_model_path == str(folder / "epoch=1-step=8.ckpt")


def test_what_a_checkpoint_holds(tmp_path):
    model = Rich(lr=0.02)
    trainer = quiet(max_epochs=1, callbacks=EarlyStopping("mean_loss"))
    trainer.fit(model, loader())
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    content = dovetail.load(tmp_path / "run.ckpt")
    assert content["global_step"] == 4
    assert content["hyper_parameters"] == {"lr": 0.02, "dropout": 0.3}
    assert {name: tensor.tolist() for name, tensor in content["state_dict"].items()} == weights(model)
    assert len(content["optimizer_states"]) == len(content["lr_schedulers"]) == 1
    assert list(content["callbacks"]) == ["EarlyStopping(monitor='mean_loss', mode='min')"]
    trainer.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    assert "optimizer_states" not in dovetail.load(tmp_path / "weights.ckpt")


def fitted(model, **options):
    trainer = quiet(max_epochs=4, **options)
    trainer.fit(model, loader(shuffle=True), loader(), ckpt_path=options.pop("ckpt_path", None))
    return trainer


@pytest.mark.parametrize("every", [4, 8, 1, 3, 6, 11, 14])
def test_resuming_at_any_step_gives_the_same_bits(tmp_path, every):
    """At an epoch's end (4 steps an epoch) and in the middle of one, from a fresh model with other weights."""
    dovetail.manual_seed(1)
    whole = Rich()
    first = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=every, save_top_k=-1)
    trainer = quiet(max_epochs=4, callbacks=first, enable_checkpointing=True)
    trainer.fit(whole, loader(shuffle=True), loader())
    numbers = dovetail.rand(2).tolist()

    dovetail.manual_seed(99)
    resumed = Rich(lr=0.5)
    again = quiet(max_epochs=4)
    again.fit(resumed, loader(shuffle=True), loader(), ckpt_path=tmp_path / f"step={every}.ckpt")
    assert again.global_step == trainer.global_step == 16
    assert weights(resumed) == weights(whole)
    assert again.metrics.callback == trainer.metrics.callback
    assert again.optimizers[0].param_groups[0]["lr"] == trainer.optimizers[0].param_groups[0]["lr"]
    assert dovetail.rand(2).tolist() == numbers


@pytest.mark.parametrize("every", [3, 4, 6])
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}], ids=str)
def test_a_loader_with_workers_and_a_generator_of_its_own_goes_on_too(tmp_path, every, options):
    def made():
        return loader(shuffle=True, generator=dovetail.Generator().manual_seed(8), **options)

    dovetail.manual_seed(1)
    whole, resumed = Rich(), Rich(lr=0.5)
    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=every, save_top_k=-1)
    quiet(max_epochs=3, callbacks=keep, enable_checkpointing=True).fit(whole, made())
    dovetail.manual_seed(99)
    quiet(max_epochs=3).fit(resumed, made(), ckpt_path=tmp_path / f"step={every}.ckpt")
    assert weights(resumed) == weights(whole)


def test_resuming_from_an_epochs_end_and_from_a_validation_inside_one(tmp_path):
    for name, options in (("epoch", {}), ("inside", {"val_check_interval": 0.5})):
        dovetail.manual_seed(1)
        whole = Rich()
        keep = ModelCheckpoint(tmp_path / name, "{step}", monitor="val_loss", save_top_k=-1)
        quiet(max_epochs=3, callbacks=keep, enable_checkpointing=True, **options).fit(
            whole, loader(shuffle=True), loader()
        )
        assert len(keep.best_k_models) == {"epoch": 3, "inside": 6}[name]
        for path in keep.best_k_models:
            resumed = Rich()
            quiet(max_epochs=3, **options).fit(resumed, loader(shuffle=True), loader(), ckpt_path=path)
            assert weights(resumed) == weights(whole), path


def test_a_finished_run_goes_on_when_given_more_epochs(tmp_path):
    dovetail.manual_seed(1)
    whole = Rich()
    quiet(max_epochs=4).fit(whole, loader(shuffle=True))
    dovetail.manual_seed(1)
    half = quiet(max_epochs=2, callbacks=ModelCheckpoint(tmp_path, "half"), enable_checkpointing=True)
    half.fit(Rich(), loader(shuffle=True))
    resumed = Rich()
    quiet(max_epochs=4).fit(resumed, loader(shuffle=True), ckpt_path=tmp_path / "half.ckpt")
    assert weights(resumed) == weights(whole)


def kept(tmp_path, values, **options):
    callback = ModelCheckpoint(tmp_path, "{epoch}", monitor="val_loss", **options)
    trainer = quiet(max_epochs=len(values), callbacks=callback, enable_checkpointing=True)
    trainer.fit(scripted(values), loader(), loader())
    return callback, files(tmp_path) if tmp_path.exists() else []


@pytest.mark.parametrize(
    ("options", "names", "best"),
    [
        ({}, ["epoch=1.ckpt"], "epoch=1.ckpt"),
        ({"mode": "max"}, ["epoch=3.ckpt"], "epoch=3.ckpt"),
        ({"save_top_k": 2}, ["epoch=1.ckpt", "epoch=4.ckpt"], "epoch=1.ckpt"),
        ({"save_top_k": -1}, [f"epoch={n}.ckpt" for n in range(5)], "epoch=1.ckpt"),
        ({"save_top_k": 0}, [], ""),
        ({"save_last": True}, ["epoch=1.ckpt", "last.ckpt"], "epoch=1.ckpt"),
        ({"every_n_epochs": 2}, ["epoch=1.ckpt"], "epoch=1.ckpt"),
    ],
)
def test_which_files_are_kept(tmp_path, options, names, best):
    callback, found = kept(tmp_path / "kept", [0.5, 0.1, 0.4, 0.9, 0.2], **options)
    assert found == names
    assert os.path.basename(callback.best_model_path) == best
    if best:
        assert callback.best_model_score == callback.best_k_models[callback.best_model_path]


def test_a_nan_is_never_the_best(tmp_path):
    callback, found = kept(tmp_path / "kept", [math.nan, 0.3, math.nan])
    assert found == ["epoch=1.ckpt"]
    assert callback.best_model_score == pytest.approx(0.3)


def test_a_stale_metric_is_not_looked_at_again(tmp_path):
    callback = ModelCheckpoint(tmp_path, "{epoch}", monitor="val_loss", save_top_k=-1)
    trainer = quiet(max_epochs=4, check_val_every_n_epoch=2, callbacks=callback, enable_checkpointing=True)
    trainer.fit(Line(), loader(), loader())
    assert files(tmp_path) == ["epoch=1.ckpt", "epoch=3.ckpt"]


def test_a_metric_of_training_is_that_of_the_same_epoch(tmp_path):
    class Counted(Line):
        def on_train_epoch_end(self):
            self.log("number", float(self.current_epoch))

    callback = ModelCheckpoint(tmp_path, "{epoch}-{number:.0f}", monitor="number", save_top_k=-1)
    quiet(max_epochs=2, callbacks=callback, enable_checkpointing=True).fit(Counted(), loader(), loader())
    assert files(tmp_path) == ["epoch=0-number=0.ckpt", "epoch=1-number=1.ckpt"]


def test_files_of_others_are_not_written_over(tmp_path):
    for _ in range(2):
        callback = ModelCheckpoint(tmp_path, "best", monitor="val_loss")
        quiet(max_epochs=3, callbacks=callback, enable_checkpointing=True).fit(
            scripted([0.3, 0.2, 0.1]), loader(), loader()
        )
    assert files(tmp_path) == ["best-v1.ckpt", "best.ckpt"]


def test_a_field_that_was_not_logged_is_named(tmp_path):
    callback = ModelCheckpoint(tmp_path, "{epoch}-{accuracy:.2f}")
    with pytest.raises(MisconfigurationException, match=r"field 'accuracy', which was not logged; there are epoch, st"):
        quiet(max_epochs=1, callbacks=callback, enable_checkpointing=True).fit(Line(), loader())


def test_verbose_says_what_it_writes(tmp_path, capsys):
    callback = ModelCheckpoint(tmp_path, "{epoch}", verbose=True)
    quiet(max_epochs=1, callbacks=callback, enable_checkpointing=True).fit(Line(), loader())
    assert capsys.readouterr().out == f"wrote {tmp_path / 'epoch=0.ckpt'}\n"


def test_load_from_checkpoint_makes_the_module_again(tmp_path):
    model = Line(lr=0.3)
    trainer = quiet(max_epochs=1)
    trainer.fit(model, loader())
    trainer.save_checkpoint(tmp_path / "line.ckpt")
    loaded = Line.load_from_checkpoint(tmp_path / "line.ckpt")
    assert dict(loaded.hparams) == {"lr": 0.3, "dropout": 0.0}
    assert weights(loaded) == weights(model)
    assert Line.load_from_checkpoint(tmp_path / "line.ckpt", lr=0.7, map_location="cpu").hparams.lr == 0.7


def test_load_from_checkpoint_says_what_is_missing(tmp_path):
    class Sized(LightningModule):
        def __init__(self, size):
            super().__init__()
            self.layer = dovetail.nn.Linear(size, 1)

    trainer = quiet()
    trainer._model = Sized(2)
    trainer.save_checkpoint(tmp_path / "sized.ckpt")
    words = (
        r"Sized cannot be made from .*sized.ckpt: missing a required argument: 'size'; the file holds the "
        r"hyperparameters none: call self.save_hyperparameters\(\) in __init__"
    )
    with pytest.raises(MisconfigurationException, match=words):
        Sized.load_from_checkpoint(tmp_path / "sized.ckpt")
    assert Sized.load_from_checkpoint(tmp_path / "sized.ckpt", size=2).layer.in_features == 2


def test_files_that_are_no_checkpoint(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"there is no checkpoint at 'nowhere.ckpt'"):
        Line.load_from_checkpoint("nowhere.ckpt")
    dovetail.save(Line().state_dict(), tmp_path / "weights")
    with pytest.raises(MisconfigurationException, match=r"is no checkpoint of a Trainer: it has no 'state_dict'"):
        quiet().fit(Line(), loader(), ckpt_path=tmp_path / "weights")


def test_weights_alone_cannot_go_on(tmp_path):
    trainer = quiet(max_epochs=1)
    trainer.fit(Line(), loader())
    trainer.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    with pytest.raises(MisconfigurationException, match="holds weights only, so training cannot go on from it"):
        quiet().fit(Line(), loader(), ckpt_path=tmp_path / "weights.ckpt")


def test_other_schedulers_than_before_are_refused(tmp_path):
    trainer = quiet(max_epochs=1)
    trainer.fit(Line(), loader())
    trainer.save_checkpoint(tmp_path / "line.ckpt")

    class More(Line):
        configure_optimizers = Rich.configure_optimizers

    with pytest.raises(MisconfigurationException, match="holds 0 schedulers and configure_optimizers gives 1"):
        quiet(max_epochs=2).fit(More(), loader(), ckpt_path=tmp_path / "line.ckpt")


def test_best_and_last_are_found_and_the_best_is_tested(tmp_path):
    class Growing(Scripted):
        def __init__(self):
            super().__init__()
            self.epochs = dovetail.nn.Parameter(dovetail.zeros(1), requires_grad=False)

        def on_train_epoch_start(self):
            self.epochs.fill_(self.current_epoch)

        def test_step(self, batch, batch_idx):
            self.log("epochs", self.epochs)

    model = type("Model", (Growing,), {"script": (0.5, 0.1, 0.4)})()
    callback = ModelCheckpoint(tmp_path, monitor="val_loss", save_last=True)
    trainer = quiet(max_epochs=3, callbacks=callback, enable_checkpointing=True)
    trainer.fit(model, loader(), loader())
    tested = [trainer.test(model, loader(), path, verbose=False)[0]["epochs"] for path in (None, "best", "last")]
    assert tested == [2.0, 1.0, 2.0]
    assert trainer.test(dataloaders=loader(), verbose=False) == [{"epochs": 1.0}]


@pytest.mark.parametrize("which", ["best", "last"])
def test_asking_for_a_checkpoint_that_was_not_written(which):
    with pytest.raises(
        MisconfigurationException, match=f"ckpt_path='{which}' asks for the {which} checkpoint and none"
    ):
        quiet().test(Line(), loader(), ckpt_path=which)


def test_what_a_file_cannot_hold_is_named(tmp_path):
    class Odd(Line):
        def __init__(self, thing):
            LightningModule.__init__(self)
            self.save_hyperparameters()

    trainer = quiet()
    trainer._model = Odd(object())
    with pytest.raises(MisconfigurationException, match=r"cannot be written: .*ignore="):
        trainer.save_checkpoint(tmp_path / "odd.ckpt")
    assert not (tmp_path / "odd.ckpt").exists()


def test_model_and_callbacks_may_add_to_a_checkpoint(tmp_path):
    class Adding(Line):
        def on_save_checkpoint(self, checkpoint):
            checkpoint["vocabulary"] = ["a", "b"]

        def on_load_checkpoint(self, checkpoint):
            self.vocabulary = checkpoint["vocabulary"]

    class Counter(Callback):
        count = 0

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state_dict):
            self.count = state_dict["count"]

    trainer = quiet(max_epochs=1, callbacks=Counter())
    trainer.fit(Adding(), loader())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert Adding.load_from_checkpoint(tmp_path / "a.ckpt").vocabulary == ["a", "b"]
    counter = Counter()
    quiet(max_epochs=2, callbacks=counter).fit(Adding(), loader(), ckpt_path=tmp_path / "a.ckpt")
    assert counter.count == 8


def test_checkpoint_callbacks_remember_their_files_when_resumed(tmp_path):
    def keeper():
        return ModelCheckpoint(tmp_path, "{epoch}", monitor="val_loss", save_last=True)

    quiet(max_epochs=2, callbacks=keeper(), enable_checkpointing=True).fit(
        scripted([0.2, 0.3, 0.4]), loader(), loader()
    )
    again = keeper()
    quiet(max_epochs=3, callbacks=again, enable_checkpointing=True).fit(
        scripted([0.2, 0.3, 0.4]), loader(), loader(), ckpt_path=tmp_path / "last.ckpt"
    )
    assert files(tmp_path) == ["epoch=0.ckpt", "last.ckpt"]
    assert re.search(r"epoch=0.ckpt$", again.best_model_path)

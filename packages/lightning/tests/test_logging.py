"""What goes to the loggers, and the CSV file."""

import csv
import json
import subprocess
import sys

import pytest
from lightning_helpers import Line, loader, quiet

from dovetail import plugins
from dovetail.errors import PluginError
from dovetail.lightning import Callback
from dovetail.lightning.loggers import CSVLogger, Logger


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_steps_and_epochs(tmp_path):
    class Epochs(Line):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.log("epoch_loss", loss, on_step=False, on_epoch=True)
            return loss

    trainer = quiet(max_epochs=2, logger=CSVLogger(tmp_path), log_every_n_steps=2)
    trainer.fit(Epochs(lr=0.2), loader(), loader())
    folder = tmp_path / "lightning_logs" / "version_0"
    found = rows(folder / "metrics.csv")
    filled = [{name for name, value in row.items() if value} - {"epoch", "step"} for row in found]
    assert filled == [{"train_loss"}, {"train_loss"}, {"val_loss"}, {"epoch_loss"}] * 2
    assert [(row["epoch"], row["step"]) for row in found] == [
        ("0", "1"), ("0", "3"), ("0", "3"), ("0", "3"), ("1", "5"), ("1", "7"), ("1", "7"), ("1", "7"),
    ]  # fmt: skip
    assert float(found[-2]["val_loss"]) == pytest.approx(trainer.callback_metrics["val_loss"].item())
    assert json.loads((folder / "hparams.yaml").read_text()) == {"lr": 0.2, "dropout": 0.0}
    assert trainer.log_dir == str(folder)


def test_each_run_gets_the_next_version(tmp_path):
    for number in range(2):
        logger = CSVLogger(tmp_path)
        logger.log_metrics({"a": 1.0}, 0)
        logger.finalize("success")
        assert logger.log_dir == str(tmp_path / "lightning_logs" / f"version_{number}")
    assert CSVLogger(tmp_path, version="mine").log_dir == str(tmp_path / "lightning_logs" / "mine")


def test_rows_are_only_added_also_when_a_run_goes_on(tmp_path):
    for step, metrics in enumerate(({"a": 1.0}, {"a": 2.0}, {"b": 3.0}, {"a": 4.0})):
        logger = CSVLogger(tmp_path, version=0)
        logger.log_metrics(metrics, step)
        logger.finalize("failed")
    assert rows(logger.metrics_file_path) == [
        {"step": "0", "a": "1.0", "b": ""},
        {"step": "1", "a": "2.0", "b": ""},
        {"step": "2", "a": "", "b": "3.0"},
        {"step": "3", "a": "4.0", "b": ""},
    ]


def test_rows_are_kept_back_and_then_written(tmp_path):
    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=3)
    for step in range(4):
        logger.log_metrics({"a": step}, step)
    assert len(rows(logger.metrics_file_path)) == 3
    logger.save()
    assert len(rows(logger.metrics_file_path)) == 4


def test_what_a_failed_run_logged_is_written(tmp_path):
    class Failing(Line):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            if self.global_step == 3:
                raise ValueError("on purpose")

    trainer = quiet(max_epochs=1, logger=CSVLogger(tmp_path), log_every_n_steps=1)
    with pytest.raises(ValueError, match="on purpose"):
        trainer.fit(Failing(), loader())
    assert len(rows(trainer.logger.metrics_file_path)) == 2


def test_values_of_validation_steps_are_logged_one_by_one(tmp_path):
    class Steps(Line):
        def validation_step(self, batch, batch_idx):
            self.log("v", float(batch_idx), on_step=True, on_epoch=True)

    trainer = quiet(logger=CSVLogger(tmp_path))
    trainer.validate(Steps(), loader(), verbose=False)
    found = rows(trainer.logger.metrics_file_path)
    assert [(row["step"], row["v_step"], row["v_epoch"]) for row in found] == [
        ("0", "0.0", ""), ("1", "1.0", ""), ("2", "2.0", ""), ("3", "3.0", ""), ("0", "", "1.5"),
    ]  # fmt: skip


class Shouting(Logger):
    def __init__(self, save_dir):
        self.save_dir = save_dir


class Cheering(Callback):
    pass


class Offering:
    @plugins.hookimpl
    def dovetail_register_callbacks(self):
        return [Cheering]

    @plugins.hookimpl
    def dovetail_register_loggers(self):
        return [Shouting]


@pytest.fixture
def offering():
    from dovetail.lightning import hookspecs

    plugins.reset()
    plugins.add_hookspecs(hookspecs)
    yield lambda name: plugins.register(Offering(), name)
    plugins.reset()


def test_dovetail_register_callbacks(offering):
    offering("one")
    assert any(type(callback) is Cheering for callback in quiet(callbacks=["Cheering"]).callbacks)
    assert any(type(callback) is Cheering for callback in quiet(callbacks="Cheering").callbacks)
    offering("two")
    with pytest.raises(PluginError, match=r"two plug-ins offer a callback 'Cheering': .*(one.*two|two.*one)"):
        quiet(callbacks="Cheering")


def test_dovetail_register_loggers(offering, tmp_path):
    offering("one")
    assert quiet(logger="Shouting", default_root_dir=tmp_path).logger.save_dir == str(tmp_path)
    assert isinstance(quiet(logger="CSVLogger").logger, CSVLogger)


def test_unknown_names_say_what_there_is(offering):
    with pytest.raises(
        PluginError, match=r"no callback 'EarlyStoping'; there are 'Callback', 'EarlyStopping', .*did you"
    ):
        quiet(callbacks="EarlyStoping")
    with pytest.raises(PluginError, match="no logger 'TensorBoard'; there are 'CSVLogger', 'Logger'"):
        quiet(logger="TensorBoard")


def test_importing_lightning_is_light():
    heavy = "('rich', 'matplotlib', 'lightning_utilities', 'IPython')"
    code = f"import sys, dovetail.lightning; assert not [name for name in {heavy} if name in sys.modules]"
    subprocess.run([sys.executable, "-c", code], check=True)

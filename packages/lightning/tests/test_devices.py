"""A Trainer on a backend that a plug-in brings: no word in a model or a loop about devices."""

import pytest
from lightning_helpers import Line, loader, quiet

import dovetail
from dovetail import optim, plugins
from dovetail.errors import DeviceError
from dovetail.lightning.callbacks import ModelCheckpoint


class StrictBackend(dovetail.Backend):
    name = "strict"

    @property
    def xp(self):
        return pytest.importorskip("array_api_strict")

    def owns(self, array):
        return type(array).__module__.startswith("array_api_strict")


class Offering:
    @plugins.hookimpl
    def dovetail_register_backends(self):
        return [StrictBackend()]


@pytest.fixture
def strict():
    pytest.importorskip("array_api_strict")
    plugins.reset()
    plugins.register(Offering(), "strict")
    yield
    plugins.reset()


class Momentum(Line):
    def configure_optimizers(self):
        return optim.Adam(self.parameters(), lr=0.02)


def weights(model):
    return [parameter.detach().cpu().tolist() for parameter in model.parameters()]


def test_the_accelerator_is_any_backends_name(strict):
    trained = []
    for name in ("cpu", "strict"):
        dovetail.manual_seed(1)
        model = Momentum()
        trainer = quiet(max_epochs=3, accelerator=name, devices=1)
        trainer.fit(model, loader(shuffle=True), loader())
        assert model.device.type == name
        trained.append(weights(model))
    for here, there in zip(*trained, strict=True):
        assert dovetail.allclose(dovetail.tensor(here), dovetail.tensor(there), atol=1e-6)


def test_a_run_goes_on_on_its_device(strict, tmp_path):
    dovetail.manual_seed(1)
    whole = Momentum()
    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6)
    quiet(max_epochs=2, accelerator="strict", callbacks=keep, enable_checkpointing=True).fit(
        whole, loader(shuffle=True)
    )
    resumed = Momentum()
    quiet(max_epochs=2, accelerator="strict").fit(resumed, loader(shuffle=True), ckpt_path=tmp_path / "step=6.ckpt")
    assert weights(resumed) == weights(whole)
    assert resumed.device.type == "strict"


def test_predictions_and_metrics_come_from_the_device(strict):
    trainer = quiet(accelerator="strict", devices=[0])
    assert {result.device.type for result in trainer.predict(Line(), loader())} == {"strict"}
    assert trainer.test(Line(), loader(), verbose=False)[0]["test_loss"] > 0


def placed(accelerator):
    try:
        return quiet(accelerator=accelerator).device
    except DeviceError as error:  # no card here: what it says about cuda
        return str(error)


def test_gpu_is_lightnings_word_for_cuda():
    assert placed("gpu") == placed("cuda")
    assert "cuda" in str(placed("gpu"))

"""The code of docs/files.md."""

import pytest

import dovetail

nn, optim = dovetail.nn, dovetail.optim


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def net():
    dovetail.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def test_save(net):
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    # region: save
    dovetail.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, "best.safetensors")

    found = dovetail.load("best.safetensors")
    net.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    # endregion
    assert found["epoch"] == 3


def test_torch(net):
    # region: torch
    dovetail.save(net.state_dict(), "for_pytorch.pt", format="torch")  # there: torch.load("for_pytorch.pt")
    net.load_state_dict(dovetail.load("for_pytorch.pt"))
    # endregion
    assert set(dovetail.load("for_pytorch.pt")) == set(net.state_dict())

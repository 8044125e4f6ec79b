"""The code of docs/tables.md."""

import pytest

import dovetail
from dovetail import nn
from dovetail.data import DataLoader

HOUSES = """size;rooms;place;garden;built;price
52.5;2;north;false;1998-05-01;210000.0
;3;south;true;2004-11-12;340000
75;3;south;false;NA;305000
98.5;4;north;true;1985-02-28;398000
61;2;west;false;2015-07-01;265000
120;5;south;true;2019-03-15;560000
45;1;north;false;1972-09-30;172000
83;3;west;true;2008-06-21;352000
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text(HOUSES)
    (tmp_path / "new.csv").write_text("size;rooms;place;garden;built\n70;3;east;true;2001-01-01\n")


@pytest.fixture
def parts():
    # region: read
    from dovetail.data import Table

    table = Table.from_csv("houses.csv")
    print(table)
    parts = table.split("price", validation=0.1, test=0.2, scale_target=True)
    # endregion
    return parts


def test_read(parts, capsys):
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [5, 1, 2]
    assert parts.encoder.feature_names[0] == "size"


def test_use(parts):
    # region: use
    net = nn.Sequential(nn.Linear(len(parts.encoder.feature_names), 16), nn.ReLU(), nn.Linear(16, 1))
    for x, y in DataLoader(parts.train, batch_size=4, shuffle=True):
        loss = nn.functional.mse_loss(net(x).squeeze(1), y)
    # endregion
    assert loss.item() >= 0
    # region: later
    from dovetail.data import Table, TableEncoder

    dovetail.save({"net": net.state_dict(), "encoder": parts.encoder.state_dict()}, "prices.safetensors")

    saved = dovetail.load("prices.safetensors")
    encoder = TableEncoder.from_state_dict(saved["encoder"])
    prices = encoder.decode(net(encoder.encode(Table.from_csv("new.csv"))))
    # endregion
    assert len(prices) == 1
    assert encoder == parts.encoder


def test_kinds():
    with open("codes.csv", "w") as file:
        file.write("zip;grade\n01234;1\n00567;2\n01234;1\n09999;2\n")
    # region: kinds
    from dovetail.data import Table

    table = Table.from_csv("codes.csv", kinds={"zip": "category"}, missing=["", "-"])
    parts = table.split("grade", task="classification", test=0.25, stratify=True)
    # endregion
    assert table.kinds == {"zip": "category", "grade": "int"}
    assert parts.encoder.classes == [1, 2]

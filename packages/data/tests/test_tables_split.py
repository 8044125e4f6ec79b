"""Cutting a table, and the numbers that its rows become."""

import io

import numpy as np
import pytest

import dovetail
from dovetail.data import DataLoader, Table, default_collate
from dovetail.data.tables import TableEncoder
from dovetail.errors import DataError

COUNT = 60


def columns(count=COUNT):
    """Mixed columns with missing values."""
    numbers = np.random.default_rng(0).normal(3, 2, count)
    return {
        "size": [None if row % 7 == 0 else float(value) for row, value in enumerate(numbers)],
        "rooms": [row % 5 for row in range(count)],
        "garden": [row % 3 == 0 for row in range(count)],
        "built": [np.datetime64("2000-01-01") + np.timedelta64(row, "D") for row in range(count)],
        "place": [None if row % 11 == 0 else "ABC"[row % 3] for row in range(count)],
        "same": [0.1] * count,
        "kind": ["house" if row % 4 == 0 else "flat" for row in range(count)],
        "price": [float(value * 100 + 1000) for value in numbers],
    }


def split(changes=None, **options):
    return Table.from_columns({**columns(), **(changes or {})}).split(**{"target": "price", **options})


def test_sizes_and_rows():
    parts = split(validation=0.25, test=5)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [40, 15, 5]
    assert sorted(parts.rows["train"] + parts.rows["validation"] + parts.rows["test"]) == list(range(COUNT))
    assert parts.rows == split(validation=0.25, test=5).rows
    assert parts.rows != split(validation=0.25, test=5, seed=1).rows
    assert len(split(validation=0, test=0).train) == COUNT


def test_the_cut_leaves_the_default_generator_alone():
    dovetail.manual_seed(0)
    expected = dovetail.rand(1).item()
    dovetail.manual_seed(0)
    split()
    assert dovetail.rand(1).item() == expected


def test_samples_and_batches():
    parts = split()
    x, y = parts.train[0]
    assert (x.dtype, y.dtype) == (dovetail.float32, dovetail.float32)
    assert tuple(x.shape) == (len(parts.encoder.feature_names),)
    assert y.item() == pytest.approx(columns()["price"][parts.rows["train"][0]])
    batch = next(iter(DataLoader(parts.train, batch_size=4)))
    single = default_collate([parts.train[index] for index in range(4)])
    assert [part.tolist() for part in batch] == [part.tolist() for part in single]


def test_features_are_as_documented():
    parts = split(ignore=["kind"])
    encoder, rows = parts.encoder, parts.rows["train"]
    assert encoder.feature_names == [
        *("size", "size is missing", "rooms", "garden", "built"),
        *("place=A", "place=B", "place=C", "place is missing", "same"),
    ]
    x = parts.train.tensors[0].numpy().astype(np.float64)
    sizes = np.array([np.nan if (size := columns()["size"][row]) is None else size for row in rows])
    expected = (sizes - np.nanmean(sizes)) / np.nanstd(sizes)
    assert x[:, 0] == pytest.approx(np.nan_to_num(expected), abs=1e-6)  # a missing one is the mean, which is 0
    assert x[:, 1].tolist() == np.isnan(sizes).tolist()
    for number in (2, 3, 4):
        assert x[:, number].mean() == pytest.approx(0, abs=1e-6)
        assert x[:, number].std() == pytest.approx(1, abs=1e-6)
    places = [columns()["place"][row] for row in rows]
    assert x[:, 5:9].tolist() == [[place == "A", place == "B", place == "C", place is None] for place in places]
    assert x[:, 9].tolist() == [0.0] * len(rows), "equal values are 0, not noise divided by noise"


def test_test_rows_change_nothing_but_themselves():
    first = split()
    rows = first.rows["test"]
    changed = columns()
    for row in rows:
        changed["size"][row], changed["rooms"][row], changed["garden"][row] = 1e6, 99, None
        changed["built"][row], changed["place"][row] = np.datetime64("1800-01-01"), "elsewhere"
        changed["same"][row], changed["kind"][row], changed["price"][row] = 5.0, "castle", -1e9
    second = Table.from_columns(changed).split("price")
    assert second.rows == first.rows
    assert second.encoder == first.encoder
    for part in ("train", "validation"):
        for before, after in zip(getattr(first, part).tensors, getattr(second, part).tensors, strict=True):
            assert before.tolist() == after.tolist()
    assert first.test.tensors[0].tolist() != second.test.tensors[0].tolist()


def test_training_rows_do_change_the_encoder():
    """So that the test above can fail."""
    first = split()
    changed = columns()
    changed["rooms"][first.rows["train"][0]] = 99
    assert Table.from_columns(changed).split("price").encoder != first.encoder


def test_unknown_and_missing_categories_are_0_in_all_columns():
    encoder = split(ignore=["kind"]).encoder
    new = [{"size": 1, "rooms": 2, "garden": True, "built": "2001-01-01", "place": place} for place in ("D", None, "B")]
    x = encoder.encode([{**row, "same": 0.1} for row in new])
    assert x[:, 5:9].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


def test_an_empty_text_is_a_category_if_it_is_not_missing():
    table = Table.from_csv(io.StringIO("word,y\n,1.5\na,2.5\nNA,3.5\n"), missing=["NA"])
    parts = table.split("y", validation=0, test=0)
    assert parts.encoder.feature_names == ["word=", "word=a", "word is missing"]
    assert parts.train.tensors[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_encoding_rows_again_gives_the_same():
    parts = split()
    table = Table.from_columns(columns())
    again = parts.encoder.encode(table.take(parts.rows["test"]))
    assert again.tolist() == parts.test.tensors[0].tolist()
    rows = [{name: values[row] for name, values in columns().items()} for row in parts.rows["test"]]
    assert parts.encoder.encode(rows).tolist() == again.tolist()


def test_new_rows_may_have_all_values_missing():
    encoder = split().encoder
    names = [feature.name for feature in encoder.features]
    x = encoder.encode([dict.fromkeys(names)])
    assert x.tolist() == [[float("missing" in name) for name in encoder.feature_names]]
    table = Table.from_columns({name: [None] for name in names})
    assert encoder.encode(table).tolist() == x.tolist()


def test_rows_that_cannot_be_encoded_are_named():
    encoder = split().encoder
    row = {name: values[1] for name, values in columns().items()}
    with pytest.raises(DataError, match="row 0, column 'rooms': expected a number, got 'many'"):
        encoder.encode([{**row, "rooms": "many"}])
    with pytest.raises(DataError, match="row 0, column 'size': expected a finite number, got inf; correct it"):
        encoder.encode([{**row, "size": float("inf")}])
    with pytest.raises(DataError, match="the table has no column 'size', which the encoder was made with"):
        encoder.encode([{name: value for name, value in row.items() if name != "size"}])
    with pytest.raises(DataError, match=r"column 'place' is of the kind 'int', .* kinds={'place': 'category'}"):
        encoder.encode(Table.from_columns({**columns(1), "size": [1.0], "place": [3]}))


def test_the_encoder_is_saved_and_loaded(tmp_path):
    encoder = split(target="kind").encoder
    dovetail.save(encoder.state_dict(), tmp_path / "encoder.safetensors")
    found = TableEncoder.from_state_dict(dovetail.load(tmp_path / "encoder.safetensors"))
    assert found == encoder
    table = Table.from_columns(columns())
    assert found.encode(table).tolist() == encoder.encode(table).tolist()


def test_classes():
    parts = split(target="kind")
    assert parts.encoder.classes == ["flat", "house"]
    assert parts.train.tensors[1].dtype == dovetail.int64
    said = parts.encoder.decode(parts.test.tensors[1])
    assert said == [columns()["kind"][row] for row in parts.rows["test"]]
    scores = dovetail.tensor([[0.1, 2.0], [3.0, -1.0]], requires_grad=True)
    assert parts.encoder.decode(scores) == ["house", "flat"]
    assert split(target="garden").encoder.classes == [False, True]
    assert split(target="rooms", task="classification").encoder.classes == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wrong", [[0.5, 1.0], [2], [-1], [[1, 2, 3]], [[[1]]]])
def test_what_is_no_class_is_not_decoded(wrong):
    with pytest.raises(DataError, match=r"decode takes scores of shape \(rows, 2\) or classes below 2, got"):
        split(target="kind").encoder.decode(wrong)


def test_numbers_are_decoded():
    plain, scaled = split(), split(scale_target=True)
    rows = plain.rows["test"]
    prices = [columns()["price"][row] for row in rows]
    assert plain.encoder.classes == []
    assert plain.encoder.decode(plain.test.tensors[1]) == pytest.approx(prices, rel=1e-6)
    y = scaled.train.tensors[1]
    assert y.mean().item() == pytest.approx(0, abs=1e-5)
    assert y.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert scaled.encoder.decode(scaled.test.tensors[1].reshape(-1, 1)) == pytest.approx(prices, rel=1e-5)
    assert split(target="rooms", task="regression").train.tensors[1].dtype == dovetail.float32
    with pytest.raises(DataError, match=r"decode takes numbers of shape \(rows,\), got float32 of shape \(2, 3\)"):
        plain.encoder.decode(dovetail.ones(2, 3))


def test_stratified_parts_have_the_same_shares():
    table = Table.from_columns(
        {"x": list(range(200)), "y": ["rare" if row % 20 == 0 else "common" for row in range(200)]}
    )
    parts = table.split("y", validation=0.2, test=0.3, stratify=True)
    rare = parts.encoder.classes.index("rare")
    counts = [int((part.tensors[1] == rare).sum()) for part in (parts.train, parts.validation, parts.test)]
    assert counts == [5, 2, 3]
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [100, 40, 60]
    assert parts.rows != table.split("y", validation=0.2, test=0.3, stratify=True, seed=1).rows


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"validation": 0.5, "test": 0.5}, "30 validation and 30 test rows leave no row of 60 to learn from"),
        ({"test": 1.0}, r"test is a fraction from 0 to below 1, or a whole number of rows, got 1\.0"),
        ({"validation": -1}, "validation is a fraction from 0 to below 1, or a whole number of rows, got -1"),
        ({"task": "clustering"}, "a task is 'classification' or 'regression', got 'clustering'"),
        ({"target": "rooms"}, "holds whole numbers, which may be classes or amounts; say task='classification' or"),
        ({"target": "kind", "task": "regression"}, "of the kind 'category', which has classes, no numbers"),
        ({"task": "classification"}, r"of the kind 'float', which has no classes; read the table with kinds="),
        ({"stratify": True}, "stratify keeps the shares of classes, and 'price' is a number; leave it out"),
        ({"target": "kind", "scale_target": True}, "scale_target is for numbers, and 'kind' is a class; leave it out"),
    ],
)
def test_arguments_that_do_not_fit(options, says):
    with pytest.raises(ValueError, match=says):
        split(**options)


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({}, {"target": "prize"}, "the table has no column 'prize'; it has 'size', 'rooms'"),
        ({}, {"ignore": ["sizes"]}, "the table has no column 'sizes'"),
        (
            {},
            {"ignore": [name for name in columns() if name != "price"]},
            "no column beside the target 'price'",
        ),
        (
            {"price": [None] + [1.5] * 59},
            {},
            r"row 0: the target 'price' is missing; .*\.drop_missing\('price'\)",
        ),
        ({"price": [float("inf")] * 60}, {}, "row 0, column 'price': expected a finite number, got inf"),
        ({"same": [float("-inf")] * 60}, {}, "row 0, column 'same': expected a finite number, got -inf"),
    ],
)
def test_columns_that_do_not_fit(changes, options, says):
    with pytest.raises(DataError, match=says):
        split(changes, test=0, validation=0, **options)


def test_free_text_is_refused():
    table = Table.from_columns({"x": [f"sentence {row}" for row in range(101)], "y": [0.5] * 101})
    with pytest.raises(DataError, match=r"column 'x' holds texts that are no categories, 71 .* ignore=\['x'\]"):
        table.split("y")


def test_a_class_that_no_training_row_has_is_named():
    rows = split(target="kind").rows["test"]
    kinds = ["castle" if row == rows[0] else kind for row, kind in enumerate(columns()["kind"])]
    with pytest.raises(DataError, match=f"row {rows[0]}: the class 'castle' of 'kind' is in no training row; split wi"):
        split({"kind": kinds}, target="kind")

"""Reading tables: CSV and Parquet, kinds of columns, missing values."""

import csv
import io
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail
from dovetail.data import Table
from dovetail.errors import DataError, LoadError, MissingPackageError

CSV = """name,age,height,member,since,city
"Ann, the first",31,1.70,true,2020-01-31,Paris
Bob,NA,1.8e0,FALSE,,Rome
"Cy ""C"" Lee",45,,true,2021-12-01T12:00:00,Paris
"""


def table_of(text, **options):
    return Table.from_csv(io.StringIO(text), **options)


def present(table, name):
    column = table.columns[name]
    return [None if gone else value for value, gone in zip(column.values.tolist(), column.missing, strict=True)]


def test_kinds_are_found_out():
    table = table_of(CSV)
    assert table.kinds == {
        "name": "category",
        "age": "int",
        "height": "float",
        "member": "bool",
        "since": "date",
        "city": "category",
    }
    assert present(table, "name") == ["Ann, the first", "Bob", 'Cy "C" Lee']
    assert present(table, "age") == [31, None, 45]
    assert present(table, "height") == [1.7, 1.8, None]
    assert present(table, "member") == [True, False, True]
    assert present(table, "since") == [datetime(2020, 1, 31), None, datetime(2021, 12, 1, 12)]
    assert len(table) == 3
    assert repr(table) == (
        "Table(3 rows: name category (3), age int (1 missing), height float (1 missing), member bool, "
        "since date (1 missing), city category (2))"
    )


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-2", "+3"], "int"),
        (["1", "2.5"], "float"),
        (["1", str(2**63)], "float"),
        (["1e5", "-inf", ".5"], "float"),
        (["1_000", "2"], "category"),
        (["true", "False"], "bool"),
        (["true", "1"], "category"),
        (["2024-02-29", "2024-03-01 10:00"], "date"),
        (["2024-02-30"], "category"),
        (["NA", "nan"], "float"),
        ([str(number) + "x" for number in range(100)], "category"),
        ([str(number) + "x" for number in range(101)], "text"),
    ],
)
def test_kind_of_texts(texts, kind):
    assert table_of("a,b\n" + "".join(f"{text},1\n" for text in texts)).kinds["a"] == kind


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(delimiter):
    text = "a,b,c\n1,x y,2.5\n".replace(",", delimiter)
    assert table_of(text).kinds == {"a": "int", "b": "category", "c": "float"}
    assert table_of(text, delimiter=delimiter)["c"].tolist() == [2.5]


def test_a_delimiter_inside_of_quotes_is_none():
    table = table_of('a;b\n"1,5";"x,y"\n"2,5";"z,w"\n')
    assert table["b"].tolist() == ["x,y", "z,w"]


def test_one_column_needs_no_delimiter():
    assert table_of("a\n1\n\n2\n")["a"].tolist() == [1, 2]


def test_spaces_quotes_lines_and_marks(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa, b\r\n 1 , "x\r\ny"\r\n2, " z"\r\n')
    table = Table.from_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["a", "b"]
    assert table["a"].tolist() == [1, 2]
    assert table["b"].tolist() == ["x\r\ny", "z"]
    assert [table.where(row)[-6:] for row in range(2)] == ["line 2", "line 4"]
    assert list(table_of("\ufeffa,b\n1,2\n").columns) == ["a", "b"]
    with open(tmp_path / "a.csv", "rb") as file:
        assert Table.from_csv(file)["a"].tolist() == [1, 2]


def test_names_missing_and_encoding_are_given(tmp_path):
    (tmp_path / "a.csv").write_bytes("1;Grüße\n?;?\n".encode("latin-1"))
    table = Table.from_csv(tmp_path / "a.csv", names=["n", "word"], missing=["?"], encoding="latin-1")
    assert present(table, "n") == [1, None]
    assert present(table, "word") == ["Grüße", None]
    with pytest.raises(DataError, match=r"a\.csv, line 1: byte 0xfc is not utf-8; give the file's encoding="):
        Table.from_csv(tmp_path / "a.csv", names=["n", "word"])


def test_kinds_are_given():
    table = table_of("zip,n\n01234,1\n00234,2\n", kinds={"zip": "category", "n": "float"})
    assert table["zip"].tolist() == ["01234", "00234"]
    assert table["n"].dtype == np.float64
    with pytest.raises(ValueError, match="there is no column 'zap'; columns are 'zip', 'n', kinds int, float, bool, d"):
        table_of("zip,n\n1,1\n", kinds={"zap": "int"})
    with pytest.raises(ValueError, match="there is no kind 'number'"):
        table_of("zip,n\n1,1\n", kinds={"zip": "number"})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("int", "1.5", "a whole number"),
        ("int", "1_0", "a whole number"),
        ("float", "1,5", "a number"),
        ("float", "1_0.5", "a number"),
        ("bool", "yes", "true or false"),
        ("date", "31.05.2024", "a date such as 2024-05-31"),
    ],
)
def test_a_text_that_is_not_of_the_kind_is_named(tmp_path, kind, text, expected):
    (tmp_path / "a.csv").write_text(f'a;b\n;"x\ny"\n\n{text};z\n')
    says = rf"a\.csv, line 5, column 'a': expected {expected}, got '{text}'; correct it, list it in missing=, or read"
    with pytest.raises(DataError, match=says):
        Table.from_csv(tmp_path / "a.csv", kinds={"a": kind})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "<StringIO> has no rows below a header; check that it is the right file"),
        ("a,b\n", "has no rows below a header"),
        ("a,b\n1,2\n3\n", r"line 3: expected 2 fields with ',' between them, got 1; correct the line"),
        ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 fields with ',' between them, got 3"),
        ('a,b\n1,2\n3,"x\n', "line 3: no row of a CSV file .*; correct the quotes there"),
        ('a,b\n"1"x,2\n', "line 2: no row of a CSV file"),
        ("a,,c\n1,2,3\n", "column 2 has no name; give all names"),
        ("a,b,a\n1,2,3\n", "column 3 is the second one called 'a'; give all names"),
    ],
)
def test_what_is_no_table_is_named(text, says):
    with pytest.raises(DataError, match=says):
        table_of(text, delimiter=",")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6).map(lambda text: f"x{text}x")


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), delimiter=st.sampled_from(",;\t|"))
def test_whatever_python_writes_is_read(rows, delimiter):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows([("a", "b"), *rows])
    file.seek(0)
    table = Table.from_csv(file, delimiter=delimiter)
    assert list(zip(table["a"], table["b"], strict=True)) == rows


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        Table.from_csv(tmp_path / "gone.csv")


def test_columns_of_values():
    later = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    table = Table.from_columns(
        {
            "tensor": dovetail.tensor([1, 2, 3]),
            "array": np.array([0.5, np.nan, 1]),
            "numbers": [1, 2.5, None],
            "truths": [True, None, False],
            "days": [date(2024, 1, 1), None, later],
            "times": np.array(["2024-01-01", "NaT", "2024-01-02"], dtype="datetime64[ns]"),
            "words": ["1", "2", None],
            "nothing": [None] * 3,
        }
    )
    assert list(table.kinds.values()) == ["int", "float", "float", "bool", "date", "date", "category", "float"]
    assert present(table, "array") == [0.5, None, 1.0]
    assert present(table, "days") == [datetime(2024, 1, 1), None, later.astimezone(UTC).replace(tzinfo=None)]
    assert present(table, "times") == [datetime(2024, 1, 1), None, datetime(2024, 1, 2)]
    assert table.where(2) == "the table, row 2"
    assert Table.from_columns({"a": [1, 2]}, kinds={"a": "category"})["a"].tolist() == ["1", "2"]


def test_columns_that_are_none():
    with pytest.raises(DataError, match=r"columns have one length, got {'a': 1, 'b': 2}"):
        Table.from_columns({"a": [1], "b": [1, 2]})
    with pytest.raises(DataError, match="columns have one length, got no columns"):
        Table.from_columns({})
    with pytest.raises(DataError, match="column 'a' holds 2, a int; a column holds either numbers, truth values"):
        Table.from_columns({"a": ["x", 2]})
    with pytest.raises(DataError, match=r"column 'a' holds \[1\], a list"):
        Table.from_columns({"a": [[1], None]})
    with pytest.raises(DataError, match="the table, row 1, column 'a': expected a number, got True"):
        Table.from_columns({"a": [1.5, True]}, kinds={"a": "float"})


def test_rows():
    table = Table.from_rows([{"a": 1, "b": "x"}, {"b": "y"}])
    assert present(table, "a") == [1, None]
    with pytest.raises(DataError, match=r"has no column 'c'; it has 'a', 'b'"):
        table["c"]


def test_rows_without_missing_values():
    table = table_of(CSV)
    assert present(table.drop_missing("age"), "age") == [31, 45]
    assert len(table.drop_missing()) == 1
    assert table.drop_missing("age").where(1) == "<StringIO>, line 4"
    assert present(table.take([2, 0]), "age") == [45, 31]


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    decimals = pyarrow.array([1, 2, None]).cast(pyarrow.decimal128(21, 2))
    content = {
        "whole": pyarrow.array([1, None, 3], pyarrow.int8()),
        "number": pyarrow.array([0.5, float("nan"), 1.5], pyarrow.float32()),
        "truth": [True, False, None],
        "word": pyarrow.array(["1", "2", "1"]).dictionary_encode(),
        "day": [date(2024, 1, 1), None, date(2024, 1, 3)],
        "time": pyarrow.array([1, 2, 3001], pyarrow.timestamp("ns")),
        "price": decimals,
    }
    parquet.write_table(pyarrow.table(content), tmp_path / "a.parquet")
    table = Table.from_parquet(tmp_path / "a.parquet")
    assert list(table.kinds.values()) == ["int", "float", "bool", "category", "date", "date", "float"]
    assert present(table, "whole") == [1, None, 3]
    assert present(table, "number") == [0.5, None, 1.5]
    assert present(table, "word") == ["1", "2", "1"]
    assert present(table, "time")[2] == datetime(1970, 1, 1, 0, 0, 0, 3)
    assert present(table, "price") == [1.0, 2.0, None]
    assert list(Table.from_parquet(tmp_path / "a.parquet", columns=["word"]).columns) == ["word"]
    assert Table.from_parquet(tmp_path / "a.parquet", kinds={"whole": "category"}).kinds["whole"] == "category"
    with pytest.raises(DataError, match=r"a\.parquet has no column 'words'; it has 'whole', 'number'"):
        Table.from_parquet(tmp_path / "a.parquet", columns=["words"])
    parquet.write_table(pyarrow.table({"list": [[1], [2]]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"column 'list' holds \[1\], a list"):
        Table.from_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(LoadError, match=r"c\.parquet is no Parquet file, or damaged \(.*\); get it again"):
        Table.from_parquet(tmp_path / "c.parquet")
    with pytest.raises(FileNotFoundError):
        Table.from_parquet(tmp_path / "gone.parquet")


def test_parquet_needs_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r'Parquet files: .* pip install "dovetail-data\[tables\]"'):
        Table.from_parquet("a.parquet")


def test_urls():
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/tables/a.csv", CSV.encode())
    assert Table.from_csv("memory://tables/a.csv").kinds == table_of(CSV).kinds

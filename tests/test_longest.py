"""`make test` begins with the files that take longest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.longest import LONGEST, pytest_collection_modifyitems

ROOT = Path(__file__).parents[1]


def test_the_longest_files_are_there() -> None:
    assert [file for file in LONGEST if not (ROOT / file).is_file()] == []


def test_they_come_first_and_nothing_else_changes() -> None:
    names = ["tests/a.py::b", "tests/a.py::a", f"{LONGEST[1]}::b", f"{LONGEST[1]}::a", f"{LONGEST[0]}::c"]
    items = cast("list[pytest.Item]", [SimpleNamespace(nodeid=name) for name in names])
    pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [names[4], names[2], names[3], names[0], names[1]]

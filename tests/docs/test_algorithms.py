"""The examples in the pages about algorithms, and in the manuals of their functions, run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Final

import pytest

import hub.mailauth

PAGES: Final = sorted((Path(__file__).parents[2] / "docs" / "algorithms").glob("*.md"))
MODULES: Final = sorted(f"hub.mailauth.{each.name}" for each in pkgutil.iter_modules(hub.mailauth.__path__))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_right(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_a_manual_is_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0

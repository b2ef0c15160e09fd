"""What the documentation says to write and to type is written and typed here."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest
from hub_registry import entries

import hub
from hub.config.load import load
from hub.hooks.areas import SPECS
from hub.testing.checking import check_all

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", ROOT / "docs" / "authoring.md"]
"""Those that a reader follows from their first line to their last."""
OTHERS: Final = [ROOT / "docs" / "mail-flow.md", ROOT / "docs" / "operating.md"]
BLOCK: Final = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
RUN: Final = "hub plugins run "


@dataclass(frozen=True)
class Block:
    """One block of code. file: what a reader saves it as, if the page says so; place: page and line."""

    kind: str
    text: str
    file: str | None
    place: str


def blocks(page: Path) -> Iterator[Block]:
    """Every block of a page that says what it is."""
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["kind"], found["text"], found["file"], f"{page.name}:{line}")


def every(kind: str) -> list[Block]:
    pages = dict.fromkeys([*PAGES, *OTHERS])
    return [block for page in pages for block in blocks(page) if block.kind == kind]


def examples() -> Iterator[Block]:
    """Those in the manuals of the hooks: plugins without their imports."""
    for name, spec in SPECS.items():
        indented = groupby((inspect.getdoc(spec) or "").splitlines(), lambda line: line[:4].strip() == "")
        for is_example, lines in indented:
            text = textwrap.dedent("\n".join(lines)).strip() + "\n"
            if not is_example or "@hookimpl" not in text:
                continue
            names = sorted(set(re.findall(r"\w+", text)) & set(hub.__all__))
            yield Block("python", f"from hub import {', '.join(names)}\n\n\n{text}", None, name)


def test_every_plugin_loads_and_leaves_nothing(tmp_path: Path) -> None:
    files: dict[Path, Block] = {}
    for number, block in enumerate(every("python")):
        if "def test_" not in block.text:
            files[tmp_path / f"block_{number}.py"] = block
    for example in examples():
        files[tmp_path / f"{example.place}_example.py"] = example
    assert len(files) >= 18
    for path, block in files.items():
        path.write_text(block.text)
    for path, faults in check_all(list(files), types=False).items():
        wrong = [str(fault) for fault in faults if fault.area != "docs"]
        assert wrong == [], files[path].place


@pytest.mark.parametrize("block", every("toml"), ids=lambda block: block.place)
def test_every_configuration_can_be_read(block: Block, tmp_path: Path) -> None:
    document = tomllib.loads(block.text)
    file = tmp_path / "hub.toml"
    file.write_text(block.text)
    if "plugin" in document:
        assert entries.read(file).entries
        return
    if "project" in document:
        return
    load(file, {}, cwd=tmp_path)


def typed(script: str, folder: Path) -> None:
    """What a reader types; what runs until Ctrl-C is ended once it says so."""
    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache" / "plugins"),
    }
    for command in filter(None, script.splitlines()):
        if command.startswith(RUN):
            process = subprocess.Popen(
                command.split(), cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            assert any("Ctrl-C ends it" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            process.communicate()
            assert process.returncode == 0
        else:
            run = subprocess.run(
                ["bash", "-ec", command], cwd=folder, env=environ, capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"


@pytest.mark.proves("plugins: the way to a first plugin in the documentation is walked, command by command")
@pytest.mark.timeout(300)  # where mypy has not yet seen the libraries
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reader_who_follows_the_page_gets_there(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.file:
            path = tmp_path / block.file
            assert path.parent.is_dir(), f"{block.place}: {path.parent} is not there yet"
            path.write_text(block.text)
        elif block.kind == "sh":
            typed(block.text, tmp_path)

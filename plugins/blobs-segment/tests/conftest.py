"""A scope that gives a driver its folder, settings and time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import pytest
from hub_plugin_blobs_segment import SegmentBlobs
from pydantic import BaseModel

from hub import Plugin

S = TypeVar("S", bound=BaseModel)


class _Clock:
    def time(self) -> float:
        return time.time()


class _Log:
    def info(self, event: str, /, **fields: object) -> None:
        logging.getLogger("blobs-segment").info("%s %s", event, fields)


@dataclass
class _Scope:
    data_dir: Path
    table: dict[str, object]
    clock: _Clock = field(default_factory=_Clock)
    log: _Log = field(default_factory=_Log)

    def every(self, seconds: float, function: object) -> None:
        """Nothing is due while a test runs."""

    def settings(self, model: type[S]) -> S:
        return model.model_validate(self.table)


OpenSegments: TypeAlias = Callable[..., SegmentBlobs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "blobs"
    path.mkdir()
    return path


@pytest.fixture
def open_segments(folder: Path) -> OpenSegments:
    """Opens the store in `folder`; keyword arguments are its settings."""

    def opened(at: Path = folder, **table: object) -> SegmentBlobs:
        return SegmentBlobs(cast(Plugin, _Scope(at, table)))

    return opened

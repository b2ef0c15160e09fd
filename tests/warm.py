"""Imported where hubs are forked from: the drivers, compiled as each worker compiles them for itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hub.loading.importing import FreshLoader
from hub.testing.running import DRIVERS

for name in (f"hub_plugin_{driver.replace('-', '_')}" for driver in DRIVERS):
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    for path in Path(spec.origin).parent.rglob("*.py"):
        FreshLoader(name, str(path)).get_code(name)

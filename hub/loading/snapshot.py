"""The sources of what serves, kept while what is on disk is something else: for who starts during a rollback.

<folder>/order.json      the names in run order
<folder>/plugins/        as in a watched folder, one entry for each plugin that is not on disk like this
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from hub.loading.catalogue import scan
from hub.loading.importing import Loaded
from hub.loading.looking import Found
from hub.loading.sources import Kind

ORDER: Final = "order.json"
PLUGINS: Final = "plugins"


def lay_over(found: Found, folder: Path) -> Found:
    """What was found on disk, but for what serves instead of it. OSError; blocks."""
    order: list[str] = json.loads((folder / ORDER).read_text())
    instead = scan([folder / PLUGINS], (), ()).sources
    there = {**{source.name: source for source in found.active}, **instead}
    active = tuple(there[name] for name in order if name in there)
    digests = {
        source.name: source.digest() if source.name in instead else found.digests[source.name]
        for source in active
    }
    catalogue = replace(found.catalogue, sources={**found.catalogue.sources, **instead})
    return replace(found, catalogue=catalogue, active=active, digests=digests)


def keep(folder: Path, serving: Iterable[Loaded], on_disk: Mapping[str, str]) -> None:
    """Write down what serves; `on_disk` is name → digest of what is there. OSError; blocks."""
    order = []
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / PLUGINS).mkdir(parents=True, mode=0o700)
    for loaded in serving:
        order.append(loaded.source.name)
        if on_disk.get(loaded.source.name) != loaded.digest:
            _write(new / PLUGINS, loaded)
    (new / ORDER).write_text(json.dumps(order))
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(new, folder)


def _write(folder: Path, loaded: Loaded) -> None:
    source = loaded.source
    base = folder if source.kind is Kind.FILE else folder / source.name
    if source.kind is Kind.INSTALLED:
        metadata = base / f"{source.module}.dist-info"
        metadata.mkdir(parents=True, mode=0o700)
        for name, text in loaded.metadata.items():
            (metadata / name).write_text(text)
    for name, content in loaded.contents.items():
        file = base / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(content)

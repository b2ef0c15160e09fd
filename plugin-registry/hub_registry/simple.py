"""The index that pip reads: PEP 503 (HTML), PEP 691 (JSON), PEP 658 (metadata beside each wheel)."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from hub_registry.wheels import Wheel

PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.1"><title>{title}</title></head>
<body><h1>{title}</h1>
{links}</body>
</html>
"""
API = {"api-version": "1.1"}


def write(folder: Path, wheels: Mapping[str, Sequence[Wheel]]) -> None:
    """Write `simple/` into the folder that has the wheels in `files/`. wheels: distribution → releases.

    A server that knows nothing of these formats gives pip `index.html`; `index.json` beside it is the same
    as JSON.
    """
    simple = folder / "simple"
    names = sorted(canonicalize_name(name) for name in wheels)
    links = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in names)
    _write(
        simple,
        PAGE.format(title="Simple index", links=links),
        {"meta": API, "projects": [{"name": name} for name in names]},
    )
    for distribution, found in wheels.items():
        name = canonicalize_name(distribution)
        for wheel in found:
            wheel.path.with_name(f"{wheel.path.name}.metadata").write_bytes(wheel.metadata)
        _write(
            simple / name,
            PAGE.format(title=name, links="".join(map(_link, found))),
            {
                "meta": API,
                "name": name,
                "versions": sorted({str(wheel.version) for wheel in found}),
                "files": [_file(wheel) for wheel in found],
            },
        )


def _write(folder: Path, page: str, document: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page, "utf-8")
    (folder / "index.json").write_text(json.dumps(document, indent=1), "utf-8")


def _link(wheel: Wheel) -> str:
    python = html.escape(str(wheel.fields["Requires-Python"] or ""))
    return (
        f'<a href="../../files/{html.escape(wheel.path.name)}#sha256={wheel.sha256}"'
        f' data-requires-python="{python}" data-core-metadata="sha256={_sha256(wheel.metadata)}">'
        f"{html.escape(wheel.path.name)}</a><br>\n"
    )


def _file(wheel: Wheel) -> Mapping[str, object]:
    return {
        "filename": wheel.path.name,
        "url": f"../../files/{wheel.path.name}",
        "hashes": {"sha256": wheel.sha256},
        "requires-python": str(wheel.fields["Requires-Python"] or ""),
        "core-metadata": {"sha256": _sha256(wheel.metadata)},
        "size": wheel.path.stat().st_size,
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

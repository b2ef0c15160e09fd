"""Plugins written for a test, and a registry made of them."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.registry.index import Index, Listed, Release

ROOT: Final = Path(__file__).parents[2]
GENERATE: Final = ROOT / "plugin-registry" / "generate.py"

CODE: Final = '''\
"""Refuses mail to nobody@."""

from hub import Reject, hookimpl


@hookimpl
async def smtp_rcpt(recipient):
    if recipient.local == "nobody":
        return Reject("5.1.1", "nobody is not here")
'''


def write_plugin(
    folder: Path,
    name: str = "nobody",
    version: str = "1.0",
    code: str = CODE,
    *,
    requires: Sequence[str] = ("mail-hub",),
    summary: str = "Refuses mail to nobody",
    readme: str = "It refuses.",
) -> Path:
    """A source tree `<folder>/<name>`, written anew."""
    tree = folder / name
    tree.mkdir(parents=True, exist_ok=True)
    module = f"hub_plugin_{name.replace('-', '_')}"
    (tree / "pyproject.toml").write_text(f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "hub-plugin-{name}"
version = "{version}"
description = "{summary}"
license = "Apache-2.0"
readme = "README.md"
requires-python = ">=3.11"
dependencies = {list(requires)!r}

[project.entry-points."hub.plugins"]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
""")
    (tree / f"{module}.py").write_text(code)
    (tree / "README.md").write_text(f"# hub-plugin-{name}\n\n{readme}\n")
    return tree


def write_list(file: Path, *trees: Path, tags: Sequence[str] = ("policy",)) -> Path:
    """A registry.toml with these source trees."""
    rows = [f'[[plugin]]\nsource = "{tree}"\ntags = {list(tags)!r}\n' for tree in sorted(trees)]
    file.write_text("\n".join(rows))
    return file


def generate(file: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Make the registry of a list, as its maintainer does."""
    return subprocess.run(
        [sys.executable, str(GENERATE), "--registry", str(file), "--output", str(output), *options],
        capture_output=True,
        text=True,
        check=False,
    )


def make_registry(folder: Path, *trees: Path, up_to: str = "loads") -> Path:
    """The registry of some source trees, in `<folder>/registry`; what was published there is kept."""
    output = folder / "registry"
    made = generate(write_list(folder / "registry.toml", *trees), output, "--up-to", up_to)
    assert made.returncode == 0, made.stderr
    return output


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on a web server that knows nothing of registries; its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    entry_points: str = "",
) -> Path:
    """A wheel, by hand: faster than any builder."""
    stem = f"{name.replace('-', '_')}-{version}"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.11\n{needs}"
    content = {
        **files,
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": entry_points,
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text.encode())}\n"
        for path, text in content.items()
    )
    content[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


@dataclass
class Registry:
    """A registry written by hand, with the releases that a test offers."""

    folder: Path
    plugins: dict[str, Listed] = field(default_factory=dict)

    def offer(
        self, name: str, version: str = "1.0", code: str = CODE, requires: Sequence[str] = ("mail-hub",)
    ) -> Path:
        """One more release, the newest; its wheel."""
        module = f"hub_plugin_{name.replace('-', '_')}"
        entry = f"[hub.plugins]\n{name} = {module}\n"
        wheel = write_wheel(
            self.folder / "files", f"hub-plugin-{name}", version, {f"{module}.py": code},
            requires=requires, entry_points=entry,
        )  # fmt: skip
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        release = Release(
            version=version, file=f"files/{wheel.name}", sha256=digest, requires_python=">=3.11"
        )
        before = self.plugins[name].releases if name in self.plugins else ()
        self.plugins[name] = Listed(
            name=name, summary=f"It is {name}", tags=("policy",), releases=(release, *before)
        )
        (self.folder / "plugins.json").write_text(
            Index(plugins=tuple(self.plugins.values())).model_dump_json()
        )
        return wheel

"""A site: a config, a watched plugin folder, source trees, and drivers that keep everything in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from textwrap import dedent

import pytest

from hub.config.load import Config, load
from hub.hooks.smtp import smtp_rcpt
from hub.loading.generation import Generations
from hub.loading.loader import Loader
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.verdict import Verdict
from hub.testing.clock import ManualClock

MEMORY = Path(__file__).parent / "memory"
TREE = """
[project]
name = "hub-plugin-{name}"
version = "{version}"
[project.entry-points."hub.plugins"]
{name} = "{module}"
"""


class Site:
    """Where plugins are written, saved again and removed, and the loader that serves them."""

    def __init__(self, root: Path, clock: ManualClock) -> None:
        self.root = root
        self.clock = clock
        self.folder = root / "plugins.d"
        self.trees = root / "trees"
        self.folder.mkdir()
        self.trees.mkdir()
        (self.trees / "memory").symlink_to(MEMORY)
        self.loaders: list[Loader] = []
        self.toml = ""
        self.plugins = "[]"
        self.services = 'storage = "memory"\nblobs = "memory"\ndirectory = "memory"'

    def config(self) -> Config:
        """The config as it is written now."""
        (self.root / "hub.toml").write_text(
            f'[hub]\ndata_dir = "{self.root}/data"\nplugin_dirs = ["{self.folder}"]\n'
            f"plugins = {self.plugins}\nreload_grace = 30\n[services]\n{self.services}\n{self.toml}"
        )
        return load(self.root / "hub.toml", {}, self.root)

    def loader(self, *, path: list[str] | None = None) -> Loader:
        """A loader of this site; it sees nothing installed but what `path` has."""
        self.loaders.append(Loader(self.config(), self.clock, trees=[self.trees], path=path or []))
        return self.loaders[-1]

    async def start(self) -> Loader:
        """A loader that serves."""
        loader = self.loader()
        await loader.start()
        return loader

    def write(self, name: str, text: str) -> Path:
        """Save a one-file plugin."""
        file = self.folder / name
        file.write_text(dedent(text))
        return file

    def answering(self, name: str, text: str, extra: str = "") -> Path:
        """Save a one-file plugin that rejects every recipient with the text."""
        lines = f'async def smtp_rcpt(plugin):\n    return Reject("5.1.1", "{text}")\n'
        return self.write(
            name, f"from hub import Reject, StashKey, hookimpl\n{dedent(extra)}\n@hookimpl\n{lines}"
        )

    def tree(
        self, name: str, module_text: str, *, version: str = "1", src: bool = False, under: Path
    ) -> Path:
        """Save a source tree of one module."""
        root = under / f"tree-{name}"
        module = "hub_plugin_" + name.replace("-", "_")
        base = root / "src" if src else root
        base.mkdir(parents=True, exist_ok=True)
        (root / "pyproject.toml").write_text(TREE.format(name=name, version=version, module=module))
        (base / f"{module}.py").write_text(dedent(module_text))
        return root


ENVELOPE = Envelope("m1", None)


async def asked(generations: Generations) -> Verdict | None:
    """What the serving generation says to a recipient."""
    pin = generations.pin()
    try:
        return await ask(pin.first(smtp_rcpt))
    finally:
        pin.release()


async def ask(plan: Callable[..., Awaitable[Verdict | None]]) -> Verdict | None:
    """What a pinned plan of `smtp_rcpt` says."""
    return await plan(None, session=None, envelope=ENVELOPE, recipient=Address("bob", "example.test"))


@pytest.fixture
async def site(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[Site]:
    site = Site(tmp_path, manual_clock)
    yield site
    for loader in reversed(site.loaders):
        await loader.close()

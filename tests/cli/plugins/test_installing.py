"""Plugins from a registry into a running hub: all or nothing, beside what is there, and out again."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.testing.running import RunningHub, running_hub
from tests.plugin_registry.making import CODE, Registry, served, write_wheel

USES_LIBRARY = '"""Says what its library says."""\n\nimport samplelib\n' + CODE.partition("\n")[2].replace(
    '"nobody is not here"', "samplelib.SAID"
)
UNUSED = '"""Has a library."""\n'
_INSTALLED: Final[dict[Path, bytes]] = {}
"""What pip has made of `nobody`, in two seconds."""


@dataclass
class Desk:
    """A running hub, a registry, and somebody who types."""

    hub: RunningHub
    registry: Registry

    @property
    def config(self) -> Path:
        return self.hub.folder / "hub.toml"

    @property
    def there(self) -> list[str]:
        """What lies in the plugin folder."""
        return sorted(path.name for path in self.hub.plugins_dir.iterdir() if not path.name.startswith("."))

    async def type(self, *words: str | Path, status: int = 0) -> str:
        """`hub plugins …`; what it prints."""
        return await type_into(self.config, *words, status=status)

    async def has_nobody(self) -> None:
        """It has installed `nobody`: by the verb the first time, from then on as a copy of that."""
        folder = self.hub.plugins_dir / "nobody-1.0"
        if _INSTALLED:
            staging = folder.with_name(".nobody")
            for path, content in _INSTALLED.items():
                (staging / path).parent.mkdir(parents=True, exist_ok=True)
                (staging / path).write_bytes(content)
            staging.rename(folder)
            await self.hub.reload()
        else:
            await self.type("install", "nobody")
            files = (path for path in folder.rglob("*") if path.is_file())
            _INSTALLED.update({path.relative_to(folder): path.read_bytes() for path in files})
        assert self.there == ["nobody-1.0"]

    async def says(self) -> str:
        """What mail to nobody@ is answered."""
        return (await self.hub.send(to="nobody@example.test"))[1]


async def type_into(config: Path, *words: str | Path, status: int = 0) -> str:
    arguments = ["-c", str(config), "plugins", *map(str, words)]
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture(autouse=True)
def _no_index_but_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "libraries"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    libraries = tmp_path / "libraries"
    for version in ("1.0", "2.0"):
        write_wheel(libraries, "samplelib", version, {"samplelib.py": f"SAID = 'says samplelib {version}'\n"})
    registry = Registry(tmp_path / "registry")
    registry.offer("nobody")
    tables = {"registry": {"url": str(registry.folder)}}
    async with running_hub(tmp_path / "hub", tables=tables) as hub:
        yield Desk(hub, registry)


@pytest.mark.proves("plugins: `hub plugins install` takes one from a registry into the running hub")
async def test_a_plugin_is_installed_upgraded_and_removed_while_the_hub_runs(desk: Desk) -> None:
    assert "nobody" in await desk.type("search", "policy")
    said = await desk.type("install", "nobody")
    assert "generation 2 serves" in said
    assert desk.there == ["nobody-1.0"]
    assert "nobody is not here" in await desk.says()
    assert "run: hub plugins upgrade nobody" in await desk.type("install", "nobody", status=1)
    assert "nobody 1.0 is the newest release" in await desk.type("upgrade")

    desk.registry.offer("nobody", "1.1", CODE.replace("not here", "gone"))
    assert "1.1 upgraded from 1.0" in await desk.type("upgrade", "nobody")
    assert desk.there == ["nobody-1.1"]
    assert "nobody is gone" in await desk.says()
    said = await desk.type("install", "nobody==1.0", "--json")
    assert json.loads(said[said.index("\n{\n") :])["before"] == "1.1"
    assert "nobody is not here" in await desk.says()

    assert "nobody 1.0 is removed" in await desk.type("remove", "nobody")
    assert desk.there == []
    assert "has this address" in await desk.says()


async def test_what_the_hub_refuses_is_undone_whole(desk: Desk) -> None:
    await desk.has_nobody()
    desk.registry.offer("nobody", "1.1", "def broken(:\n")
    said = await desk.type("upgrade", status=1)
    assert "refused, and undone:\nhub_plugin_nobody.py:1: SyntaxError" in said
    assert desk.there == ["nobody-1.0"]
    assert "nobody is not here" in await desk.says()


async def test_a_wheel_that_is_not_the_one_of_the_index_is_refused(desk: Desk) -> None:
    wheel = desk.registry.folder / "files" / "hub_plugin_nobody-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    assert "hash" in (await desk.type("install", "nobody", status=1)).lower()
    assert desk.there == []


async def test_a_library_comes_along_and_another_version_of_it_takes_effect_with_new_workers(
    desk: Desk,
) -> None:
    desk.registry.offer("user", code=USES_LIBRARY, requires=("mail-hub", "samplelib<2"))
    assert "samplelib 1.0" in await desk.type("install", "user")
    assert sorted(path.name for path in (desk.hub.plugins_dir / "user-1.0").glob("*.py")) == [
        "hub_plugin_user.py", "samplelib.py",
    ]  # fmt: skip
    assert "says samplelib 1.0" in await desk.says()
    desk.registry.offer("user", "1.1", code=USES_LIBRARY, requires=("mail-hub", "samplelib>=2"))
    said = await desk.type("upgrade")
    assert "takes effect with new workers: samplelib 2.0, of which 1.0 is imported; run: hub reload" in said
    assert "says samplelib 1.0" in await desk.says()


async def test_a_conflict_of_versions_names_both_plugins_and_what_they_require(desk: Desk) -> None:
    desk.registry.offer("older", code=UNUSED, requires=("mail-hub", "samplelib<2"))
    desk.registry.offer("newer", code=UNUSED, requires=("mail-hub", "samplelib>=2"))
    desk.registry.offer("ancient", code=UNUSED, requires=("mail-hub<0.0.1",))
    await desk.type("install", "older")
    said = await desk.type("install", "newer", status=1)
    assert (
        "hub-plugin-newer 1.0 requires samplelib>=2, but samplelib 1.0 is in the plugin folder older-1.0"
        in (said)
    )
    assert "hub-plugin-older 1.0 requires samplelib<2" in said
    said = await desk.type("install", "ancient", status=1)
    assert "requires mail-hub<0.0.1, but mail-hub" in said
    assert desk.there == ["older-1.0"]


async def test_a_library_that_two_plugins_need_is_there_twice_in_one_version_so_that_either_may_go(
    desk: Desk,
) -> None:
    desk.registry.offer("older", code=UNUSED, requires=("mail-hub", "samplelib<2"))
    desk.registry.offer("user", code=USES_LIBRARY, requires=("mail-hub", "samplelib"))
    await desk.type("install", "older")
    assert "samplelib 1.0" in await desk.type("install", "user")
    await desk.type("remove", "older")
    assert (desk.hub.plugins_dir / "user-1.0" / "samplelib.py").exists()
    assert "says samplelib 1.0" in await desk.says()


async def test_a_plugin_brings_no_other_along(desk: Desk) -> None:
    write_wheel(desk.registry.folder.parent / "libraries", "hub-plugin-stranger", "9.0", {"stranger.py": ""})
    desk.registry.offer("user", code=UNUSED, requires=("mail-hub", "hub-plugin-stranger"))
    said = await desk.type("install", "user", status=1)
    assert "user requires hub-plugin-stranger, but a plugin brings no other along" in said


async def test_what_belongs_to_the_hubs_own_environment_or_to_the_operator_is_left_alone(desk: Desk) -> None:
    desk.registry.offer("deny-list", code=UNUSED)
    desk.registry.offer("mine", code=UNUSED)
    (desk.hub.plugins_dir / "mine.py").write_text('"""Mine."""\n')
    assert "belongs to the hub's own environment" in await desk.type("install", "deny-list", status=1)
    for verb in ("install", "upgrade", "remove"):
        assert "it is yours to change or remove" in await desk.type(verb, "mine", status=1)
    assert desk.there == ["mine.py"]


async def test_mail_under_way_ends_with_the_plugin_that_is_being_removed(desk: Desk) -> None:
    await desk.has_nobody()
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.hub.port())
    await reader.readline()
    for command in ("HELO client.example.test", "MAIL FROM:<bob@example.test>"):
        writer.write(f"{command}\r\n".encode())
        assert (await reader.readline()).startswith(b"250")
    removing = asyncio.ensure_future(desk.type("remove", "nobody"))
    async with asyncio.timeout(30):
        while any(each["name"] == "nobody" for each in desk.hub.hub.loader.plugins()):
            await asyncio.sleep(0.02)
    assert desk.there == ["nobody-1.0"]
    writer.write(b"RCPT TO:<nobody@example.test>\r\n")
    assert b"nobody is not here" in await reader.readline()
    writer.write(b"QUIT\r\n")
    await reader.readline()
    writer.close()
    assert "nobody 1.0 is removed" in await removing
    assert desk.there == []


async def test_enabling_and_disabling_writes_the_configuration_and_keeps_its_comments(desk: Desk) -> None:
    await desk.has_nobody()
    text = desk.config.read_text()
    desk.config.write_text(f"# Mine.\n{text}[imap]  # none\n")
    said = await desk.type("disable", "nobody")
    assert '"!nobody"' in said
    assert "has this address" in await desk.says()
    assert desk.config.read_text().startswith("# Mine.\n")
    assert "nobody is disabled already" in await desk.type("disable", "nobody")
    await desk.type("enable", "nobody")
    assert desk.config.read_text() == f"# Mine.\n{text}[imap]  # none\n"
    assert "nobody is not here" in await desk.says()

    await desk.type("enable", "deny-list")
    assert "deny-list" in await desk.type()
    assert "fills storage" in await desk.type("disable", "storage-sql", status=1)
    assert "there is no plugin 'denylist' here. Did you mean 'deny-list'?" in await desk.type(
        "enable", "denylist", status=1
    )
    await desk.type("disable", "deny-list")
    assert desk.config.read_text() == f"# Mine.\n{text}[imap]  # none\n"


async def test_what_the_configuration_says_of_a_plugin_goes_with_it(desk: Desk) -> None:
    settings = "from pydantic import BaseModel\n\n\nclass Settings(BaseModel):\n    word: str\n"
    desk.registry.offer("nobody", "1.1", CODE + settings)
    said = await desk.type("install", "nobody", status=1)
    assert "word: is missing" in said or "word" in said
    assert desk.there == []
    before = desk.config.read_text()
    desk.config.write_text(before + '[plugins.nobody]  # needed\nword = "x"\n')
    assert "generation" in await desk.type("install", "nobody")
    said = await desk.type("remove", "nobody")
    assert "-[plugins.nobody]" in said
    assert desk.config.read_text() == before


async def test_without_a_running_hub_the_plugin_is_looked_at_all_the_same(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    registry.offer("nobody")
    registry.offer("broken", code="def broken(:\n")
    config = tmp_path / "hub.toml"
    config.write_text(f'[hub]\nhostname = "h.example.test"\ndata_dir = "{tmp_path}/data"\n')
    index = ("--index", registry.folder)
    said = await type_into(config, "install", "nobody", *index)
    assert "no hub is running: it takes effect when it starts" in said
    said = await type_into(config, "install", "broken", *index, status=1)
    assert "SyntaxError" in said
    assert [path.name for path in (tmp_path / "data" / "plugins.d").glob("*")] == [".lock", "nobody-1.0"]
    assert "no registry is named" in await type_into(config, "search", status=1)


async def test_a_plugin_folder_that_others_can_write_is_refused(desk: Desk) -> None:
    desk.hub.plugins_dir.chmod(0o777)
    said = await desk.type("install", "nobody", status=1)
    assert "is refused: others can write it (mode 0777); run: chmod go-w" in said


async def test_a_registry_may_lie_on_any_web_server(desk: Desk) -> None:
    with served(desk.registry.folder) as url:
        assert "It is nobody" in await desk.type("show", "nobody", "--index", url)
        await desk.type("install", "nobody", "--index", url)
    assert desk.there == ["nobody-1.0"]
    said = await desk.type("search", "--index", url, status=1)
    assert "cannot be read: " in said
    assert "must be https" in await desk.type("search", "--index", "http://registry.example.test/", status=1)

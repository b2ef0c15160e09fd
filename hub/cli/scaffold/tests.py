"""The tests of a new plugin, which pass at once."""

from __future__ import annotations

from typing import Final

from hub.cli.scaffold.module import Outline

BY_MAIL: Final = frozenset(
    {
        "plugin_start",
        "smtp_connect",
        "session_opened",
        "smtp_helo",
        "smtp_mail",
        "smtp_rcpt",
        "check_message",
        "message_accepted",
        "message_delivered",
        "session_closed",
    }
)
"""The hooks that a mail fires."""
BY_LOGIN: Final = frozenset(("imap_command", "login_succeeded", "authenticate"))
"""Those that reading it fires."""

HEAD: Final = '''"""The plugin in a real hub: `hub plugins test`, or just pytest."""
'''

FLOWS: Final = """
async def test_mail_flows(hub: RunningHub) -> None:
    assert (await hub.send())[0] == 250
    assert len(await hub.mailbox()) == 1
{called}    assert hub.failures == []


async def test_it_is_replaced_while_mail_flows(hub: RunningHub) -> None:
    report = await hub.reload()
    assert report["errors"] == []
    assert (await hub.send())[0] == 250
"""
REFUSES: Final = """

@pytest.mark.hub(settings={"refuse": True})
async def test_it_refuses_if_told_to(hub: RunningHub) -> None:
    assert (await hub.send())[0] == 550
"""
SCORES: Final = """

@pytest.mark.hub(settings={"score": 6.0})
async def test_a_score_takes_the_mail_to_junk(hub: RunningHub) -> None:
    assert (await hub.send())[0] == 250
    assert len(await hub.mailbox("Junk")) == 1
"""
NOT_YET: Final = """
@pytest.mark.xfail(reason="not written yet: take this line away when all of it passes", strict=False)
"""
STORAGE: Final = """class Test{driver}(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_{snake}:{driver}"
"""
BLOBS: Final = """class Test{driver}(BlobsContract):
    @pytest.fixture
    def open_blobs(self, plugin_scope: PluginScope) -> OpenBlobs:
        return lambda: {driver}(plugin_scope("{name}"))
"""
DIRECTORY: Final = """class Test{driver}(DirectoryContract):
    @pytest.fixture
    async def directory(self, plugin_scope: PluginScope) -> AsyncIterator[DirectoryAdmin]:
        async with {driver}(plugin_scope("{name}")) as directory:
            yield directory
"""
IMPORTS: Final = {
    "storage": "import pytest\nfrom hub.testing.contracts.storage import StorageContract\n",
    "blobs": (
        "import pytest\n"
        "from hub.testing.contracts.blobs import BlobsContract, OpenBlobs\n"
        "from hub.testing.plugin import PluginScope\n\n"
        "from hub_plugin_{snake} import {driver}\n"
    ),
    "directory": (
        "from collections.abc import AsyncIterator\n\n"
        "import pytest\n"
        "from hub import DirectoryAdmin\n"
        "from hub.testing.contracts.directory import DirectoryContract\n"
        "from hub.testing.plugin import PluginScope\n\n"
        "from hub_plugin_{snake} import {driver}\n"
    ),
}
SUITES: Final = {"storage": STORAGE, "blobs": BLOBS, "directory": DIRECTORY}


def tests(outline: Outline) -> str:
    """The text of its one test module."""
    if outline.driver:
        text = IMPORTS[outline.driver] + "\n" + NOT_YET + SUITES[outline.driver]
        return HEAD + "\n" + text.format(driver=outline.driver_class, snake=outline.snake, name=outline.name)
    text = FLOWS.format(called="".join(map(_called, outline.hooks)))
    if outline.returns("Verdict") and set(outline.hooks) & {"smtp_mail", "smtp_rcpt"} == set(
        outline.returns("Verdict")
    ):
        text += REFUSES
    if outline.returns("Finding"):
        text += SCORES
    needs = "import pytest\n" if "pytest." in text else ""
    return f"{HEAD}\n{needs}from hub.testing.running import RunningHub\n\n{text}"


def _called(hook: str) -> str:
    return f'    assert await hub.until_called("{hook}")\n' if hook in BY_MAIL | BY_LOGIN else ""

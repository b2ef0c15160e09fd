"""Conversations kept as text in dialogues/: one for each chapter of the RFCs."""

from pathlib import Path

import pytest

from hub.testing.running import RunningHub

FILES = sorted(Path(__file__).parent.glob("dialogues/*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_conversation_goes_as_written(hub: RunningHub, path: Path) -> None:
    await hub.dialogue(path.name)

"""One line of JSON for every mail and what became of it, in a file that other programs read."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hub import Address, Envelope, Plugin, Session, hookimpl


class Settings(BaseModel):
    """[plugins.mail-log]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path | None = Field(
        default=None, description="The file; without it mail.jsonl in the plugin's own folder."
    )


@hookimpl
async def message_accepted(plugin: Plugin, session: Session, envelope: Envelope, size: int) -> None:
    """It is durable."""
    await _write(plugin, "accepted", session, envelope, {"size": size})


@hookimpl
async def message_refused(plugin: Plugin, session: Session, envelope: Envelope, code: int, text: str) -> None:
    """Nothing of it was kept."""
    await _write(plugin, "refused", session, envelope, {"code": code, "text": text})


@hookimpl
async def recipient_refused(
    plugin: Plugin, session: Session, envelope: Envelope, recipient: Address | None, code: int, text: str
) -> None:
    """Somebody who is not here, or may not be written to."""
    said = {"to": str(recipient or ""), "code": code, "text": text}
    await _write(plugin, "recipient refused", session, envelope, said)


async def _write(
    plugin: Plugin, event: str, session: Session, envelope: Envelope, more: Mapping[str, object]
) -> None:
    """Facts are told one after the other, so lines keep their order; the disk is waited for in a thread."""
    line = {
        "time": plugin.clock.time(),
        "event": event,
        "id": envelope.id,
        "peer": session.peer[0],
        "from": str(envelope.reverse_path or ""),
        "recipients": [str(each) for each in envelope.recipients],
        **more,
    }
    path = plugin.settings(Settings).file or plugin.data_dir / "mail.jsonl"
    await asyncio.to_thread(_append, path, json.dumps(line) + "\n")


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)

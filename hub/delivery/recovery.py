"""A message's own account of where it was first delivered, read back for an index that is made anew."""

from __future__ import annotations

import json
from typing import cast

from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn, Notify, RecipientDsn, Ret
from hub.mail.login import AccountRef
from hub.services.blobs import BlobRecord
from hub.services.queue import PERSONAL
from hub.services.storage import Acceptance, Delivery


def acceptance_of(record: BlobRecord) -> Acceptance:
    """What was accepted with it, flags included where a client gave some. ValueError if it does not say."""
    try:
        said = json.loads(record.recovery)
        flags = frozenset(map(str, said.get("flags", ())))
        return Acceptance(
            id=str(said["id"]),
            blob=record.reference,
            head_size=record.head_size,
            size=record.size,
            received_at=float(said["received_at"]),
            reverse_path=None if said["reverse_path"] is None else Address.parse(said["reverse_path"]),
            deliveries=tuple(
                Delivery(AccountRef(tenant, key), mailbox, lines.encode(), flags)
                for tenant, key, mailbox, lines in said["deliveries"]
            ),
            queue=tuple(map(Address.parse, said["queue"])),
            sender=AccountRef(*said["sender"]) if said["sender"] else None,
            dsn=_dsn(said["dsn"]) if "dsn" in said else NO_DSN,
            priority=int(said.get("priority", PERSONAL)),
            requires_tls=bool(said.get("requires_tls")),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{record.reference} does not say where it was delivered: {error!r}") from None


def _dsn(said: dict[str, object]) -> Dsn:
    recipients = cast("list[tuple[str, list[Notify] | None, str | None]]", said["recipients"])
    return Dsn(
        cast("Ret | None", said["ret"]),
        cast("str | None", said["envid"]),
        {
            Address.parse(address): RecipientDsn(tuple(notify) if notify else None, original)
            for address, notify, original in recipients
        },
    )

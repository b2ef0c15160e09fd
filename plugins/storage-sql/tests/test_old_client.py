"""A client that was away for longer than the log reaches back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub_plugin_storage_sql import SqlStorage

from hub import AccountRef, FlagMode, NewItem

ALICE = AccountRef("default", "alice")


async def test_who_is_older_than_the_log_is_served_from_the_items(storage: SqlStorage, index: Path) -> None:
    await storage.ensure_account(ALICE)
    inbox = await storage.mailbox(ALICE, "INBOX")
    assert inbox is not None
    for number in range(8):
        await storage.append(ALICE, inbox.id, [NewItem(f"i{number}", "store:1", 1, 2, 0)])
    await storage.store_flags(inbox.id, [(2, 2), (8, 8)], FlagMode.ADD, frozenset({"\\Deleted"}))
    await storage.expunge(inbox.id, [(2, 2)])
    known = await storage.mailbox(ALICE, "INBOX")
    assert known is not None
    await storage.store_flags(inbox.id, [(5, 5)], FlagMode.ADD, frozenset({"\\Seen", "\\Deleted"}))
    await storage.expunge(inbox.id, [(8, 8)])
    whole = await storage.changes(inbox.id, known.highest_modseq)
    assert whole.vanished == ((8, 8),)
    last = whole.highest_modseq
    db = sqlite3.connect(index, isolation_level=None)
    db.execute("DELETE FROM log WHERE modseq < ?", (last,))
    db.execute("UPDATE collection SET logged_since = ? WHERE id = ?", (last, inbox.id))
    db.close()

    served = await storage.changes(inbox.id, known.highest_modseq)
    assert served.changed == whole.changed
    assert [state.uid for state in served.changed] == [5]
    # RFC 7162 §3.2.5.2 allows to name again what had vanished before; what is there is never named.
    assert served.vanished == ((2, 2), (8, 8))
    history = await storage.history(inbox.id, known.highest_modseq)
    assert list(history.vanished) == [(2, 2), (8, 8)]
    assert history.touched[0][0] == 1
    assert history.touched[-1][1] >= 7, "anything may have changed"
    seventh = next(state.modseq for state in await storage.states(inbox.id) if state.uid == 7)
    assert [state.uid for state in (await storage.changes(inbox.id, seventh)).changed] == [5]
    assert (await storage.changes(inbox.id, last)).vanished == ()

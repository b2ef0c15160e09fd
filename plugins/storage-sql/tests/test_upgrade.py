"""A store whose items were one wide row each is read after the upgrade as it was, and can go back."""

from __future__ import annotations

from collections.abc import Mapping

from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.backend import Settings, schema_of
from hub_plugin_storage_sql.database import Schema
from hub_plugin_storage_sql.revisions import BRANCH
from sqlalchemy import Connection, text

from hub import AccountRef, FlagMode, Item
from hub.testing.clock import ManualClock
from hub.testing.plugin import PluginScope

ALICE = AccountRef("default", "alice")
BASE = 1 << 32

LINES = b"0123456789"

# INBOX has 1 to 4, of which 3 is expunged and 2 was moved to the Archive; 7 was expunged when nobody noted
# yet which mailbox that was, and another 7 in a mailbox that is gone.
ROWS = f"""
INSERT INTO tenant (id, name) VALUES (1, 'default');
INSERT INTO account (id, tenant_id, key, modseq, uidvalidity, size, messages)
    VALUES (1, 1, 'alice', 12, 2, 330, 3);
INSERT INTO collection (id, account_id, kind, name, uidvalidity, uidnext, highest_modseq, logged_since,
    messages, unseen, size) VALUES
    (1, 1, 'mailbox', 'INBOX', 1, 5, 12, 1, 2, 1, 220),
    (2, 1, 'mailbox', 'Archive', 2, 2, 11, 2, 1, 1, 110);
INSERT INTO item (id, flags, modseq, created_modseq, size, head_size, internal_date, message_id, blob, lines,
    saved_at) VALUES
    ({BASE + 1}, '\\Seen', 9, 3, 110, 11, 101, 'm1', 's:1', :lines, 201),
    ({BASE + 4}, '', 6, 6, 110, 14, 104, 'm4', 's:4', :lines, 204),
    ({2 * BASE + 1}, '$Work', 11, 11, 110, 12, 102, 'm2', 's:2', :lines, 301);
INSERT INTO expunged (id, account_id, name, at, uid, flags, modseq, size, head_size, internal_date,
    message_id, blob, lines, saved_at, collection_id, elsewhere) VALUES
    (4, 1, 'INBOX', 50.0, 7, '', 1, 117, 17, 107, 'm7', 's:7', :lines, 207, 0, false),
    (5, 1, 'Old', 60.0, 7, '', 2, 118, 18, 108, 'm8', 's:8', :lines, 208, 9, false),
    (6, 1, 'INBOX', 70.0, 2, '$Work', 4, 110, 12, 102, 'm2', 's:2', :lines, 202, 1, true),
    (8, 1, 'INBOX', 80.0, 3, '\\Deleted', 10, 113, 13, 103, 'm3', 's:3', :lines, 203, 1, false);
"""
TABLES = {
    "item": "id, flags, modseq, created_modseq, size, head_size, internal_date, message_id, blob, lines,"
    " saved_at",
    "expunged": "id, account_id, name, at, flags, modseq, size, head_size, internal_date, message_id, blob,"
    " lines, saved_at, collection_id, elsewhere",
}


def fill(connection: Connection) -> None:
    """The rows of revision 0012."""
    for statement in filter(str.strip, ROWS.split(";\n")):
        connection.execute(text(statement), {"lines": LINES} if ":lines" in statement else {})
    if connection.dialect.name == "postgresql":  # where ids that are given do not count
        connection.execute(text("SELECT setval('expunged_id_seq', 8), setval('collection_id_seq', 2)"))


def rows(schema: Schema) -> dict[str, list[tuple[object, ...]]]:
    """What the tables of revision 0012 have."""

    def read(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        return {
            table: [
                tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY id"))
            ]
            for table, columns in TABLES.items()
        }

    return schema.look(read) or {}


def item(number: int, uid: int, modseq: int, *flags: str, size: int = 110, saved: int = 0) -> Item:
    return Item(
        uid,
        frozenset(flags),
        modseq,
        f"s:{number}",
        LINES,
        10 + number,
        size,
        100 + number,
        f"m{number}",
        saved or 200 + number,
    )


async def test_what_lies_in_an_older_store_is_kept(
    plugin_scope: PluginScope, manual_clock: ManualClock, database: Mapping[str, object]
) -> None:
    scope = plugin_scope("storage-sql", database)
    schema = schema_of(scope, scope.settings(Settings))
    migrations = SqlStorage.migrations(scope, {})
    migrations.upgrade()
    migrations.downgrade(BRANCH, "0012")
    schema.change(fill)
    before = rows(schema)
    migrations.upgrade()
    migrations.downgrade(BRANCH, "0012")
    assert rows(schema) == before
    migrations.upgrade()
    async with SqlStorage(plugin_scope("storage-sql", database)) as storage:
        assert await storage.items(1, [(1, 9)]) == [item(1, 1, 9, "\\Seen"), item(4, 4, 6)]
        assert await storage.items(2, [(1, 9)]) == [item(2, 1, 11, "$Work", saved=301)]
        gone = [item(2, 2, 4, "$Work"), item(3, 3, 10, "\\Deleted", size=113)]
        assert await storage.gone(1, [(1, 9)]) == gone
        listed = await storage.expunged(ALICE)
        assert [(each.id, each.mailbox, each.at) for each in listed] == [
            (4, "INBOX", 50.0),
            (5, "Old", 60.0),
            (8, "INBOX", 80.0),
        ]
        assert [each.item.message_id for each in listed] == ["m7", "m8", "m3"]
        assert [use.reference for use in await storage.references()] == [
            f"s:{number}" for number in (1, 2, 3, 4, 7, 8)
        ]
        assert [use.size for use in await storage.references()] == [100, 100, 103, 100, 107, 108]
        await storage.move_references({"s:2": "s:9", "s:8": "s:5"})
        assert [(each.mailbox, each.uid) for each in await storage.holders("s:9")] == [("Archive", 1)]
        assert [(each.mailbox_id, each.uid) for each in await storage.holders("s:5")] == [(9, 7)]
        placed = await storage.undelete(ALICE, [4, 8])
        assert [(each.mailbox, each.uid) for each in placed] == [("INBOX", 5), ("INBOX", 6)]
        back = await storage.items(1, [(5, 6)])
        assert [(each.message_id, each.blob, each.size) for each in back] == [
            ("m7", "s:7", 117),
            ("m3", "s:3", 113),
        ]
        await storage.store_flags(1, [(5, 5)], FlagMode.SET, frozenset({"\\Deleted"}))
        assert await storage.expunge(1) == [5]
        assert [each.id > 8 for each in (await storage.expunged(ALICE, after=5))] == [True]
        assert await storage.check(ALICE) == []
        assert await storage.purge_expunged(manual_clock.time() + 1) == 5
        assert [use.reference for use in await storage.references()] == ["s:1", "s:3", "s:4", "s:9"]

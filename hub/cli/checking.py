"""Index and bytes held against each other, and an index made anew out of the bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from hub.delivery.recovery import acceptance_of
from hub.mail.login import AccountRef
from hub.services.blobs import BlobGone, BlobRecord, Blobs, BlobUse, Collected, Progress
from hub.services.chosen import Services
from hub.services.storage import Acceptance, Storage

PAGE: Final = 1000
AT_ONCE: Final = 256
"""Messages that go into the index together, and so share its commits."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be. what: whose it is and what is wrong with it."""

    what: str
    repaired: bool = False


@dataclass(slots=True)
class Checked:
    """What a check has found. blobs: with rows; accounts: looked at; garbage: what a collection would do."""

    blobs: int = 0
    accounts: int = 0
    problems: list[Problem] = field(default_factory=list)
    garbage: Collected = field(default_factory=Collected)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong any more; garbage is no fault."""
        return all(problem.repaired for problem in self.problems)


async def check(
    services: Services,
    *,
    deep: bool,
    repair: bool,
    counted: Callable[[str, int], None],
    progress: Progress,
) -> Checked:
    """Every row has its bytes, every count is right, and what has no row is known to be garbage.

    deep: all bytes are read. repair: counts are put right, rows of a message that lies elsewhere in the store
    (as after a restore) refer to that, garbage is collected. counted: what is looked at, and how many of them
    so far. progress: of the garbage, in octets.
    """
    checked = Checked()
    storage = services.storage
    lost: dict[BlobUse, str] = {}
    after = ""
    while uses := await storage.references(after, limit=PAGE):
        lost |= await _check_bytes(services.blobs, storage, after, uses, deep=deep)
        checked.blobs += len({use.reference for use in uses})
        after = uses[-1].reference
        counted("messages", checked.blobs)
    found_again = await _find_again(services, lost) if repair and lost else {}
    for use, why in lost.items():
        where = await _where(storage, found_again.get(use.reference, use.reference))
        checked.problems.append(Problem(f"{where}: {why} ({use.reference})", use.reference in found_again))
    last: AccountRef | None = None
    while accounts := await storage.accounts(last, PAGE):
        for account in accounts:
            found = await storage.check(account, repair=repair)
            checked.problems += [Problem(f"{account.tenant}/{account.key}: {each}", repair) for each in found]
        checked.accounts += len(accounts)
        last = accounts[-1]
        counted("accounts", checked.accounts)
    checked.garbage = await services.blobs.collect(storage, force=True, dry_run=not repair, progress=progress)
    return checked


async def _check_bytes(
    blobs: Blobs, storage: Storage, after: str, uses: Sequence[BlobUse], *, deep: bool
) -> dict[BlobUse, str]:
    """What is wrong with the bytes of one page of rows."""
    found = await blobs.inspect([use.reference for use in uses], deep=deep)
    wrong = {use: why for use, each in zip(uses, found, strict=True) if (why := _fault(use, each))}
    if not wrong:
        return {}
    # While they were looked at they may have been removed or moved, and what they refer to with them.
    still = set(await storage.references(after, uses[-1].reference + " ", len(uses) + PAGE))
    return {use: why for use, why in wrong.items() if use in still}


async def _find_again(services: Services, lost: Iterable[BlobUse]) -> dict[str, str]:
    """Let rows whose message is not where they say refer to a whole copy of it, if there is one elsewhere.

    Which message it was is known by its id, head and size; gives the old reference and the new one.
    """
    storage = services.storage
    wanted: dict[tuple[str, int, int], str] = {}
    for use in lost:
        for place in (await storage.holders(use.reference))[:1]:
            uids = [(place.uid, place.uid)]
            rows = await storage.items(place.mailbox_id, uids) or await storage.gone(place.mailbox_id, uids)
            for item in rows:
                wanted[item.message_id, use.head_size, use.size] = use.reference
    found: dict[str, str] = {}
    async for record in services.blobs.records():
        if isinstance(record, BlobGone):
            continue
        with suppress(ValueError):
            old = wanted.get((acceptance_of(record).id, record.head_size, record.size))
            if old is not None and old != record.reference:
                await storage.move_references({old: record.reference})
                found[old] = record.reference
                del wanted[acceptance_of(record).id, record.head_size, record.size]
    return found


def _fault(use: BlobUse, found: BlobRecord | BlobGone) -> str:
    if isinstance(found, BlobGone):
        return str(found)
    if (found.head_size, found.size) != (use.head_size, use.size):
        return (
            f"the index says {use.size} octets, {use.head_size} of them the header block;"
            f" it has {found.size} and {found.head_size}"
        )
    return ""


async def _where(storage: Storage, reference: str) -> str:
    placed = await storage.holders(reference)
    return ", ".join(f"{each.account.key} {each.mailbox!r} UID {each.uid}" for each in placed) or "the queue"


@dataclass(slots=True)
class Reindexed:
    """What came of it. messages: now in the index; queued: rows for elsewhere; again: came twice.

    unknown: accounts that the directory does not know, with the number of their messages. problems: what
    could not be read.
    """

    messages: int = 0
    queued: int = 0
    again: int = 0
    accounts: Counter[AccountRef] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


async def reindex(services: Services, progress: Progress) -> Reindexed:
    """Deliver every message of the store anew, where it was first delivered, into an index that is empty."""
    result = Reindexed()
    seen: set[str] = set()
    batch: list[Acceptance] = []
    async for record in services.blobs.records(progress):
        try:
            if isinstance(record, BlobGone):
                raise record
            acceptance = acceptance_of(record)
        except (BlobGone, ValueError) as error:
            result.problems.append(str(error))
            continue
        if acceptance.id in seen:
            result.again += 1
            continue
        seen.add(acceptance.id)
        batch.append(acceptance)
        if len(batch) == AT_ONCE:
            await _accept(services.storage, batch, result)
            batch = []
    await _accept(services.storage, batch, result)
    return result


async def _accept(storage: Storage, batch: Sequence[Acceptance], result: Reindexed) -> None:
    await asyncio.gather(*map(storage.accept, batch))
    for acceptance in batch:
        result.messages += 1
        result.queued += len(acceptance.queue)
        result.accounts.update(delivery.account for delivery in acceptance.deliveries)

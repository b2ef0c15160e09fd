"""The queue: claimed in batches under a lease, concluded under the lease's own number."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
    true,
    update,
)

from hub import (
    AUTOMATIC,
    BULK,
    PERSONAL,
    Acceptance,
    AccountRef,
    Address,
    ChangeKind,
    Claim,
    Fate,
    LeaseLost,
    QueueAction,
    QueueCount,
    QueueOutcome,
    QueueRow,
    RecipientDsn,
    Selection,
)
from hub_plugin_storage_sql.accept import accept
from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.schema import ACCOUNT, FREE, LEASED, QUEUE, TENANT
from hub_plugin_storage_sql.transaction import Transaction

PRIORITIES = (PERSONAL, AUTOMATIC, BULK)

_b = bindparam

_NAMES = (
    "position message_id reverse_local reverse_domain local domain blob head_size size created_at state ret"
    " envid notify orcpt attempts due_at reply priority requires_tls"
)
_ROWS = (
    select(*(QUEUE.c[name] for name in _NAMES.split()), TENANT.c.name, ACCOUNT.c.key)
    .select_from(QUEUE)
    .join(ACCOUNT, ACCOUNT.c.id == QUEUE.c.account_id, isouter=True)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id, isouter=True)
)
_IS_FREE = and_(QUEUE.c.state == "queued", FREE)
_OF_LEASE = and_(QUEUE.c.lease == _b("number"), LEASED)
_HAS_ENDED = and_(QUEUE.c.state == "queued", LEASED, QUEUE.c.leased_until <= _b("now"))


def _claiming(what: ColumnElement[bool], first: Column[Any], names: str) -> Statement:
    found = select(QUEUE.c.position).where(what).order_by(first, QUEUE.c.position).limit(_b("most"))
    # Looked at again in the row itself: another may claim it meanwhile, where transactions do not wait.
    is_still = QUEUE.c.leased_until <= _b("now")
    chosen = update(QUEUE).where(QUEUE.c.position.in_(found.scalar_subquery()), is_still)
    return Statement(chosen.values(lease=_b("number"), leased_until=_b("until")), names)


_CLAIM_LEFT = _claiming(_HAS_ENDED, QUEUE.c.leased_until, "number until now most")
_CLAIM = _claiming(
    and_(_IS_FREE, QUEUE.c.priority == _b("priority"), QUEUE.c.due_at <= _b("now")),
    QUEUE.c.due_at,
    "number until priority now most",
)
_CLAIMED = Statement(
    _ROWS.where(_OF_LEASE).order_by(QUEUE.c.priority, QUEUE.c.due_at, QUEUE.c.position), "number"
)
_RENEW = Statement(update(QUEUE).where(_OF_LEASE).values(leased_until=_b("until")), "until number")
_OWN = and_(QUEUE.c.position == _b("row"), QUEUE.c.lease == _b("number"))
_SENDER = Statement(
    select(QUEUE.c.account_id, QUEUE.c.message_id, QUEUE.c.local, QUEUE.c.domain).where(_OWN), "row number"
)
_REMOVE = Statement(delete(QUEUE).where(_OWN), "row number")
_DEFER = Statement(
    update(QUEUE)
    .where(_OWN)
    .values(lease=0, leased_until=0.0, attempts=QUEUE.c.attempts + 1, due_at=_b("due"), reply=_b("said")),
    "due said row number",
)
_WAIT = Statement(
    update(QUEUE).where(_OWN).values(lease=0, leased_until=0.0, due_at=_b("due")), "due row number"
)
_NEXT_DUE = Statement(
    select(QUEUE.c.due_at)
    .where(_IS_FREE, QUEUE.c.priority == _b("priority"))
    .order_by(QUEUE.c.due_at)
    .limit(1),
    "priority",
)
_KINDS = {Fate.SENT: ChangeKind.SENT, Fate.DEFERRED: ChangeKind.DEFERRED, Fate.BOUNCED: ChangeKind.BOUNCED}


def claim(until: float, limit: int) -> Callable[[Transaction], Claim]:
    """The work behind `Storage.claim`."""

    def work(tx: Transaction) -> Claim:
        number = secrets.randbits(62) + 1
        room = limit - tx.connection.run(_CLAIM_LEFT, number, until, tx.now, limit)
        for priority in PRIORITIES:
            if room > 0:
                room -= tx.connection.run(_CLAIM, number, until, priority, tx.now, room)
        return Claim(number, [_row(row) for row in tx.connection.rows(_CLAIMED, number)])

    return work


def renew(lease: int, until: float) -> Callable[[Transaction], None]:
    """The work behind `Storage.renew`."""

    def work(tx: Transaction) -> None:
        tx.connection.run(_RENEW, until, lease)

    return work


def conclude(
    lease: int, outcomes: Sequence[QueueOutcome], reports: Sequence[Acceptance]
) -> Callable[[Transaction], None]:
    """The work behind `Storage.conclude`."""
    accepting = [accept(report) for report in reports]

    def work(tx: Transaction) -> None:
        for outcome in outcomes:
            _conclude(tx, lease, outcome)
        for each in accepting:
            each(tx)

    return work


def _conclude(tx: Transaction, lease: int, outcome: QueueOutcome) -> None:
    if outcome.fate is Fate.WAITING:
        if not tx.connection.run(_WAIT, outcome.due_at, outcome.position, lease):
            raise LeaseLost(f"row {outcome.position} of the queue was taken by somebody else")
        return
    found = tx.connection.row(_SENDER, outcome.position, lease)
    if found is None:
        raise LeaseLost(f"row {outcome.position} of the queue is not of this lease any more")
    account_id, message_id, local, domain = found
    account = None if account_id is None else tx.account(account_id)
    if outcome.fate is Fate.DEFERRED:
        done = tx.connection.run(_DEFER, outcome.due_at, outcome.reply, outcome.position, lease)
    else:
        done = tx.connection.run(_REMOVE, outcome.position, lease)
    if not done:  # since it was looked at, where rows are not locked by that
        raise LeaseLost(f"row {outcome.position} of the queue was taken by somebody else")
    modseq = 0 if account is None else tx.modseq(account)
    tx.log_account(modseq, _KINDS[outcome.fate], account, str(Address(local, domain)), message_id)


def change(action: QueueAction, selection: Selection) -> Callable[[Transaction], int]:
    """The work behind `Storage.change_queue`."""
    chosen = _chosen(selection)
    statement = {
        QueueAction.RETRY: update(QUEUE).where(chosen).values(due_at=0.0),
        QueueAction.HOLD: update(QUEUE).where(chosen).values(state="held"),
        QueueAction.RELEASE: update(QUEUE).where(chosen).values(state="queued"),
        QueueAction.DROP: delete(QUEUE).where(chosen),
    }[action]

    def work(tx: Transaction) -> int:
        return tx.connection.core.execute(statement).rowcount

    return work


def rows(db: Reads, limit: int, selection: Selection) -> Sequence[QueueRow]:
    """The oldest rows of a selection."""
    query = _ROWS.where(_chosen(selection)).order_by(QUEUE.c.position).limit(limit)
    return [_row(tuple(row)) for row in db.core.execute(query)]


def counts(db: Reads, moments: Sequence[float], selection: Selection) -> Sequence[QueueCount]:
    """The queue by domain, state, priority and age."""
    ages = [(QUEUE.c.created_at >= moment, number) for number, moment in enumerate(moments)]
    age = case(*ages, else_=len(moments)) if ages else literal(0)
    common = (func.lower(QUEUE.c.domain), QUEUE.c.state, QUEUE.c.priority, age.label("age"))
    query = select(*common, func.count()).where(_chosen(selection)).group_by(*common)
    return [QueueCount(*row) for row in db.core.execute(query)]


def next_due(db: Reads) -> float | None:
    """When the next row that nobody has a lease of is due."""
    found = [row[0] for priority in PRIORITIES if (row := db.row(_NEXT_DUE, priority))]
    return min(found, default=None)


def _chosen(selection: Selection) -> ColumnElement[bool]:
    said: list[ColumnElement[bool]] = [true()]
    if selection.message_id is not None:
        said.append(QUEUE.c.message_id == selection.message_id)
    if selection.domain is not None:
        said.append(func.lower(QUEUE.c.domain) == selection.domain.lower())
    if selection.state is not None:
        said.append(QUEUE.c.state == selection.state)
    if selection.recipient is not None:
        said += [QUEUE.c.local == selection.recipient.local, QUEUE.c.domain == selection.recipient.domain]
    if selection.sender is not None:
        said += [
            QUEUE.c.reverse_local == selection.sender.local,
            QUEUE.c.reverse_domain == selection.sender.domain,
        ]
    return and_(*said)


def _row(row: Row) -> QueueRow:
    position, message_id, reverse_local, reverse_domain, local, domain, *rest = row
    blob, head_size, size, created_at, state, ret, envid, notify, orcpt, attempts, due_at, reply, *more = rest
    priority, requires_tls, tenant, key = more
    return QueueRow(
        position,
        message_id,
        None if reverse_local is None else Address(reverse_local, reverse_domain),
        Address(local, domain),
        blob,
        head_size,
        size,
        created_at,
        state,
        ret,
        envid,
        RecipientDsn(notify and tuple(notify.split(",")), orcpt),
        attempts,
        due_at,
        reply,
        None if key is None else AccountRef(tenant, key),
        priority,
        bool(requires_tls),
    )

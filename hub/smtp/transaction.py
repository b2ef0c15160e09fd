"""MAIL, RCPT, DATA and RSET: the envelope (RFC 5321 §3.3), and who may send what to whom."""

from __future__ import annotations

from hub.delivery.accept import Recipient
from hub.delivery.forwarding import is_return_path, returns_to
from hub.delivery.reporting import leads_to
from hub.dispatch.failure import HookFailed
from hub.hooks.delivery import recipient_refused
from hub.hooks.smtp import smtp_mail, smtp_rcpt
from hub.mail.address import Address, AddressError, parse_path
from hub.mail.dsn import RecipientDsn, with_recipient
from hub.mail.envelope import Envelope
from hub.mail.ident import new_id
from hub.mail.srs import NotOurs
from hub.mail.verdict import Defer, Reject
from hub.services.directory import Account, Resolution, has_room, is_limited
from hub.smtp import replies
from hub.smtp.dialogue import Answer, Dialogue
from hub.smtp.parameters import NO_PARAMETERS, mail_parameters, rcpt_parameters
from hub.smtp.replies import Reply, refusal
from hub.smtp.session import Transaction


def mail(dialogue: Dialogue, argument: bytes) -> Answer:
    """MAIL FROM:<reverse-path> [parameters]."""
    session = dialogue.session
    if session.greeting is None:
        return replies.GREET_FIRST
    if session.is_submission and session.identity is None:
        return replies.AUTH_REQUIRED
    if dialogue.transaction is not None:
        return replies.NESTED_MAIL
    if argument[:5].upper() != b"FROM:":
        return replies.MAIL_SYNTAX
    try:
        sender, rest = parse_path(argument[5:], utf8=True)
    except AddressError as error:
        return Reply(501, "5.1.7", str(error))
    parameters = NO_PARAMETERS if not rest else mail_parameters(rest, extended=session.extended)
    if isinstance(parameters, Reply):
        return parameters
    if not parameters.smtputf8 and not argument.isascii():
        return replies.NEEDS_SMTPUTF8
    if parameters.requires_tls and session.tls is None:
        return replies.TLS_FOR_REQUIRETLS
    envelope = Envelope(
        new_id(),
        sender,
        (),
        parameters.size,
        parameters.body,
        parameters.smtputf8,
        dsn=parameters.dsn,
        requires_tls=parameters.requires_tls,
    )
    transaction = Transaction(dialogue.kernel.generations.pin(), envelope)
    dialogue.trace.begin(envelope)
    if transaction.pin.first(smtp_mail) or (session.identity is not None and sender is not None):
        return _ask_mail(dialogue, transaction)
    return _begin(dialogue, transaction)


async def _ask_mail(dialogue: Dialogue, transaction: Transaction) -> Reply:
    begun = False
    try:
        refused = await _refuse_mail(dialogue, transaction)
        begun = refused is None
    except HookFailed:
        refused = replies.INTERNAL
    finally:
        if not begun:
            transaction.pin.release()
    if refused is not None:
        return _mail_refused(dialogue, transaction, refused)
    return _begin(dialogue, transaction)


async def _refuse_mail(dialogue: Dialogue, transaction: Transaction) -> Reply | None:
    """A plugin's no, or the core's to a sender that the account may not use."""
    envelope, identity = transaction.envelope, dialogue.session.identity
    plan = transaction.pin.first(smtp_mail)
    if plan:
        verdict = await plan(dialogue.trace, session=dialogue.session, envelope=envelope)
        if isinstance(verdict, Reject | Defer):
            return refusal(verdict, 550, 450)
    # The null reverse-path is for notifications, which a client may send too (RFC 8098 §3).
    if identity is not None and envelope.reverse_path is not None:
        directory = dialogue.kernel.services.directory
        if not await directory.may_send_as(identity.account, envelope.reverse_path):
            return replies.NOT_YOUR_SENDER
    return None


def _begin(dialogue: Dialogue, transaction: Transaction) -> Reply:
    if (transaction.envelope.size or 0) > dialogue.kernel.settings.smtp.max_size:
        transaction.pin.release()
        return _mail_refused(dialogue, transaction, replies.TOO_LARGE)
    dialogue.transaction = transaction
    return replies.SENDER_OK


def _mail_refused(dialogue: Dialogue, transaction: Transaction, reply: Reply) -> Reply:
    _tell_refused(dialogue, transaction, None, reply)
    return reply


def rcpt(dialogue: Dialogue, argument: bytes) -> Answer:
    """RCPT TO:<forward-path>."""
    transaction = dialogue.transaction
    if transaction is None:
        return replies.NEED_MAIL
    if dialogue.incoming is not None:
        return replies.NOT_AFTER_BDAT
    if argument[:3].upper() != b"TO:":
        return replies.RCPT_SYNTAX
    try:
        recipient, rest = parse_path(argument[3:], utf8=True)
    except AddressError as error:
        return Reply(501, "5.1.3", str(error))
    if recipient is None:
        return replies.NULL_RECIPIENT
    dsn = rcpt_parameters(rest, extended=dialogue.session.extended) if rest else None
    if isinstance(dsn, Reply):
        refused = dsn
    elif not transaction.envelope.smtputf8 and not argument.isascii():
        refused = replies.NEEDS_SMTPUTF8
    elif len(transaction.recipients) >= dialogue.kernel.settings.smtp.max_recipients:
        refused = replies.TOO_MANY_RECIPIENTS
    else:
        return _ask_rcpt(dialogue, transaction, recipient, dsn)
    _tell_refused(dialogue, transaction, recipient, refused)
    return refused


async def _ask_rcpt(
    dialogue: Dialogue, transaction: Transaction, recipient: Address, dsn: RecipientDsn | None
) -> Reply:
    found: Resolution | Reply
    try:
        found = await _find(dialogue, transaction, recipient)
    except HookFailed:
        found = replies.INTERNAL
    if isinstance(found, Reply):
        _tell_refused(dialogue, transaction, recipient, found)
        return found
    envelope = transaction.envelope
    if recipient not in transaction.recipients:
        transaction.envelope = Envelope(
            envelope.id,
            envelope.reverse_path,
            (*envelope.recipients, recipient),
            envelope.size,
            envelope.body,
            envelope.smtputf8,
            envelope.stash,
            envelope.dsn if dsn is None else with_recipient(envelope.dsn, recipient, dsn),
            envelope.requires_tls,
        )
        transaction.recipients[recipient] = Recipient(recipient, found)
    return replies.RECIPIENT_OK


async def _find(dialogue: Dialogue, transaction: Transaction, recipient: Address) -> Resolution | Reply:
    """Where a recipient leads, or why it is refused: plugins first, then relaying, existence and quota."""
    plan = transaction.pin.first(smtp_rcpt)
    if plan:
        verdict = await plan(
            dialogue.trace, session=dialogue.session, envelope=transaction.envelope, recipient=recipient
        )
        if isinstance(verdict, Reject | Defer):
            return refusal(verdict, 550, 450)
    if is_return_path(dialogue.kernel.settings, recipient):
        return await _returned(dialogue, transaction, recipient)
    directory = dialogue.kernel.services.directory
    if recipient.domain and not await directory.is_local(recipient.domain):
        # Only who has logged in sends elsewhere, and only on a submission listener does anybody log in.
        if dialogue.session.identity is None:
            return replies.NO_RELAYING
        return Resolution(forwards=(recipient,))
    resolution = await directory.resolve(recipient)
    if resolution is None:
        account = await directory.account(str(recipient))
        return replies.DISABLED if account and not account.enabled else replies.NOBODY
    if not await _has_room(dialogue, recipient, resolution, transaction.envelope.size or 0):
        return replies.MAILBOX_FULL
    return resolution


async def _returned(dialogue: Dialogue, transaction: Transaction, recipient: Address) -> Resolution | Reply:
    """A report on mail that was passed on goes back to whoever sent that."""
    if transaction.envelope.reverse_path is not None:
        return replies.ONLY_REPORTS
    try:
        address = await returns_to(dialogue.kernel, recipient)
    except NotOurs as error:
        return replies.not_returned(str(error))
    return await leads_to(dialogue.kernel, address) or replies.NOBODY


async def without_room(dialogue: Dialogue, transaction: Transaction, size: int) -> dict[Address, Reply]:
    """The recipients without room for a message of that size, and what they are answered."""
    refused = {}
    for address, recipient in transaction.recipients.items():
        if not await _has_room(dialogue, address, recipient.resolution, size):
            refused[address] = replies.MAILBOX_FULL
            _tell_refused(dialogue, transaction, address, replies.MAILBOX_FULL)
    return refused


async def _has_room(dialogue: Dialogue, recipient: Address, resolution: Resolution, size: int) -> bool:
    if resolution.forwards or recipient.local.lower() == "postmaster":  # RFC 5321 §4.5.1
        return True
    for account in resolution.accounts:
        if not await _is_full(dialogue, account, size):
            return True
    return False


async def _is_full(dialogue: Dialogue, account: Account, size: int) -> bool:
    """Whether a message of that size is more than the account has room for."""
    if not is_limited(account):
        return False
    return not has_room(account, await dialogue.kernel.services.storage.usage(account.ref), size)


def data(dialogue: Dialogue, argument: bytes) -> Answer:
    """DATA; what follows 354 is read by Incoming. BDAT is in a file of its own."""
    if argument:
        return replies.NO_ARGUMENT
    if dialogue.transaction is None:
        return replies.NEED_MAIL
    if not dialogue.transaction.recipients:
        return replies.NEED_RCPT
    if dialogue.incoming is not None:
        return replies.NOT_AFTER_BDAT
    if dialogue.transaction.envelope.body == "BINARYMIME":
        return replies.BINARY_NEEDS_BDAT
    if dialogue.kernel.budget.spent:
        return _wait_for_room(dialogue)
    return replies.GO_AHEAD


async def _wait_for_room(dialogue: Dialogue) -> Reply:
    await dialogue.kernel.budget.room()
    return replies.GO_AHEAD


def rset(dialogue: Dialogue, argument: bytes) -> Answer:
    """RSET."""
    if argument:
        return replies.NO_ARGUMENT
    dialogue.end_transaction()
    return replies.OK


def _tell_refused(
    dialogue: Dialogue, transaction: Transaction, recipient: Address | None, reply: Reply
) -> None:
    plan = transaction.pin.notify(recipient_refused)
    if plan:
        plan(
            session=dialogue.session,
            envelope=transaction.envelope,
            recipient=recipient,
            code=reply.code,
            text=f"{reply.enhanced} {reply.text}",
        )

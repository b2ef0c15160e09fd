"""What all checks together say of a message, and what becomes of it for each recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from hub.config.tables.checks import ChecksTable
from hub.delivery.accept import Content, Recipient
from hub.dispatch.judging import JUDGED, Judged, content_key
from hub.dispatch.verdicts import CLEAN, Decision, Limits, Place, decide, settled, unjudged
from hub.hooks.message import check_message
from hub.mail.address import Address
from hub.mail.message import Message
from hub.mail.verdict import Defer, Reject
from hub.smtp import replies
from hub.smtp.dialogue import Dialogue
from hub.smtp.replies import Reply, refusal
from hub.smtp.session import Transaction

MAX_VALUE: Final = 900
"""Octets of the header field that carries the reasons."""


async def check(dialogue: Dialogue, transaction: Transaction, content: Content, own: int) -> Decision:
    """Ask all checks; none is asked about what the hub has died of.

    own: octets of the header block that the hub has put there.
    """
    plan, judging = transaction.pin.collect(check_message), dialogue.kernel.judging
    if not plan:
        return CLEAN
    key = content_key(content.head[own:], content.size - len(content.head))
    if why := judging.set_aside.get(key):
        dialogue.trace.add("note", "checks", "set aside", detail=why)
        return unjudged(why)
    body = content.body if isinstance(content.body, bytes) else await content.body.body()
    limits = set(limits_of(tuple(transaction.recipients.values()), dialogue.kernel.settings.checks).values())
    judged = JUDGED.set(Judged(judging, key, transaction.envelope.id))
    try:
        answers = await plan.until(
            dialogue.trace,
            partial(settled, limits=limits, failed=replies.CHECK_FAILED, too_high=replies.SCORE_TOO_HIGH),
            session=dialogue.session,
            envelope=transaction.envelope,
            message=Message(content.head, body),
        )
    finally:
        JUDGED.reset(judged)
    decision = decide(answers, replies.CHECK_FAILED)
    said = "; ".join((f"score {decision.score:+g}", *decision.reasons))
    dialogue.trace.add("note", "checks", _word(decision), detail=said)
    if not answers:
        return decision
    return replace(decision, headers=(("X-Hub-Checks", _one_line(said)), *decision.headers))


def limits_of(recipients: Sequence[Recipient], checks: ChecksTable) -> Mapping[Address, Limits]:
    """What each recipient's account, or else its domain, has for limits."""
    found = {}
    for each in recipients:
        address = each.resolution.accounts[0].address if each.resolution.accounts else each.address
        found[each.address] = checks.limits(str(address).lower(), address.domain)
    return found


def refused(recipients: Sequence[Recipient], decision: Decision, checks: ChecksTable) -> dict[Address, Reply]:
    """For whom the message is refused, and how."""
    if decision is CLEAN:
        return {}
    limits = limits_of(recipients, checks)
    outcomes = {address: decision.outcome(each, replies.SCORE_TOO_HIGH) for address, each in limits.items()}
    return {
        address: refusal(outcome, 554, 451)
        for address, outcome in outcomes.items()
        if isinstance(outcome, Reject | Defer)
    }


def placed(recipient: Recipient, decision: Decision, checks: ChecksTable) -> Recipient:
    """Where it goes for a recipient of an accepted message; who would refuse it alone finds it in Junk."""
    limits = limits_of((recipient,), checks)[recipient.address]
    outcome = decision.outcome(limits, replies.SCORE_TOO_HIGH)
    place: Place = outcome if isinstance(outcome, str) else "junk"
    if decision.place == "quarantine":
        place = "quarantine"
    return replace(recipient, place=place)


def _word(decision: Decision) -> str:
    return decision.place if decision.action is None else type(decision.action).__name__.lower()


def _one_line(text: str) -> str:
    """Reasons are a plugin's words, perhaps a stranger's: nothing in them may end the header field."""
    shown = "".join(char if " " <= char <= "~" else "?" for char in text)
    return shown if len(shown) <= MAX_VALUE else shown[: MAX_VALUE - 4] + " ..."

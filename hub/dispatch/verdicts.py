"""Many findings, one decision.

Reject beats Defer beats the score, and Trust cancels scores but never a Reject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hub.dispatch.plan import Answer
from hub.mail.verdict import Defer, Finding, Junk, Quarantine, Reject, Trust

Place: TypeAlias = Literal["inbox", "junk", "quarantine"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a message. answer: None accepts it.

    place: where it goes if it is accepted; headers: (name, value) pairs that are put on top of it.
    """

    answer: Reject | Defer | None
    place: Place
    score: float
    reasons: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]


CLEAN = Decision(None, "inbox", 0.0, (), ())


def unjudged(why: str) -> Decision:
    """For a message that the hub has died of: it is kept, apart, and says so. why: one line of ASCII."""
    return Decision(None, "quarantine", 0.0, (why,), (("X-Hub-Unjudged", why),))


def decide(
    answers: Sequence[Answer[Finding]],
    *,
    junk_score: float,
    reject_score: float,
    failed: Defer,
    too_high: Reject,
) -> Decision:
    """Merge the findings of all checks.

    failed: the answer for a failed check; too_high: the answer to a score of reject_score or more.
    """
    findings = [answer.value for answer in answers if answer.value is not None]
    actions = [finding.action for finding in findings]
    trusted = any(isinstance(action, Trust) for action in actions)
    score = 0.0 if trusted else sum(finding.score for finding in findings)
    answer: Reject | Defer | None = next((action for action in actions if isinstance(action, Reject)), None)
    if answer is None and any(answer.failure for answer in answers):
        answer = failed
    if answer is None:
        answer = next((action for action in actions if isinstance(action, Defer)), None)
    if answer is None and not trusted and score >= reject_score:
        answer = too_high
    place: Place = "inbox"
    if any(isinstance(action, Quarantine) for action in actions):
        place = "quarantine"
    elif not trusted and (score >= junk_score or any(isinstance(action, Junk) for action in actions)):
        place = "junk"
    reasons = tuple(
        f"{answer.plugin}: {reason}" for answer in answers if answer.value for reason in answer.value.reasons
    )
    headers = tuple(header for finding in findings for header in finding.headers)
    return Decision(answer, place, score, reasons, headers)

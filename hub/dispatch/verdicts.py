"""Many findings, one decision about a message, and what it means for each recipient.

Reject beats Defer beats the score, and Trust cancels scores but never a Reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from hub.dispatch.plan import Answer
from hub.dispatch.step import Step
from hub.hooks.markers import OnFailure
from hub.mail.verdict import Defer, Finding, Junk, Quarantine, Reject, Trust

Place: TypeAlias = Literal["inbox", "junk", "quarantine"]
Limits: TypeAlias = tuple[float, float]
"""The scores from which on a message is junk and is refused."""

ANY_SCORE: Final = (0.0, 1e6)
"""What counts of a score for which no limits were declared."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What all checks say of a message.

    action: what some check asked for, for everybody. place: the least good place that one asked for.
    headers: (name, value) pairs that are put on top of it. removes: the numbers of fields that go.
    """

    action: Reject | Defer | None
    place: Place
    score: float
    trusted: bool
    reasons: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    removes: frozenset[int] = frozenset()

    def outcome(self, limits: Limits, too_high: Reject) -> Reject | Defer | Place:
        """For a recipient with these limits; too_high: the answer to a score that is refused."""
        junk_score, reject_score = limits
        if self.action is not None:
            return self.action
        if not self.trusted and self.score >= reject_score:
            return too_high
        if self.place == "inbox" and not self.trusted and self.score >= junk_score:
            return "junk"
        return self.place


CLEAN: Final = Decision(None, "inbox", 0.0, False, (), ())


def unjudged(why: str) -> Decision:
    """For a message that the hub has died of: it is kept, apart, and says so. why: one line of ASCII."""
    return Decision(None, "quarantine", 0.0, False, (why,), (("X-Hub-Unjudged", why),))


def decide(answers: Sequence[Answer[Finding]], failed: Defer) -> Decision:
    """Merge the findings of all checks; failed: the answer for a failed one."""
    findings = [answer.value for answer in answers if answer.value is not None]
    actions = [finding.action for finding in findings]
    trusted = any(isinstance(action, Trust) for action in actions)
    action: Reject | Defer | None = next((each for each in actions if isinstance(each, Reject)), None)
    if action is None and any(answer.failure for answer in answers):
        action = failed
    if action is None:
        action = next((each for each in actions if isinstance(each, Defer)), None)
    place: Place = "inbox"
    if any(isinstance(each, Quarantine) for each in actions):
        place = "quarantine"
    elif not trusted and any(isinstance(each, Junk) for each in actions):
        place = "junk"
    score = 0.0 if trusted else sum(map(_counted, answers))
    reasons = tuple(
        f"{answer.plugin}: {reason}" for answer in answers if answer.value for reason in answer.value.reasons
    )
    headers = tuple(header for finding in findings for header in finding.headers)
    removes = frozenset(number for finding in findings for number in finding.removes)
    return Decision(action, place, score, trusted, reasons, headers, removes)


def _counted(answer: Answer[Finding]) -> float:
    low, high = answer.limits or ANY_SCORE
    return 0.0 if answer.value is None else min(max(answer.value.score, low), high)


def settled(
    answers: Sequence[Answer[Finding]],
    running: Sequence[Step],
    limits: Iterable[Limits],
    failed: Defer,
    too_high: Reject,
) -> bool:
    """Whether no answer of the checks that still run can change the outcome for any recipient.

    limits: the recipients' own. A Reject cannot be undone. Otherwise each check that runs must have promised
    what it adds at most, and may not defer the message by failing.
    """
    decision = decide(answers, failed)
    if isinstance(decision.action, Reject):
        return True
    least = most = decision.score
    for step in running:
        if step.score is None or step.on_failure is not OnFailure.SKIP:
            return False
        least += min(step.score[0], 0.0)
        most += max(step.score[1], 0.0)
    low, high = replace(decision, score=least), replace(decision, score=most)
    return all(low.outcome(each, too_high) == high.outcome(each, too_high) for each in limits)

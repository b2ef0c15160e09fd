"""What a session has recorded, counted.

Names in it are often a client's own words: only known ones become labels.
"""

from collections.abc import Sequence
from typing import Final

from hub import TraceRecord
from hub_plugin_prometheus import metrics
from hub_plugin_prometheus.counts import OTHER, Counts

COMMANDS: Final = frozenset(
    (
        *("connect", "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY"),
        *("EXPN", "HELP", "AUTH", "STARTTLS", "XCLIENT"),
        *("LOGIN", "AUTHENTICATE", "CAPABILITY", "LOGOUT", "ID", "IDLE", "NAMESPACE", "SELECT", "EXAMINE"),
        *(
            "CLOSE",
            "UNSELECT",
            "CHECK",
            "CREATE",
            "DELETE",
            "RENAME",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "LIST",
            "LSUB",
        ),
        *("STATUS", "APPEND", "SEARCH", "UID SEARCH", "FETCH", "UID FETCH", "STORE", "UID STORE", "COPY"),
        *("UID COPY", "MOVE", "UID MOVE", "EXPUNGE", "UID EXPUNGE"),
        *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    )
)
RESULTS: Final = frozenset(("2xx", "3xx", "4xx", "5xx", "OK", "NO", "BAD"))
MECHANISMS: Final = frozenset(
    ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL")
)
PLACES: Final = {"INBOX": "inbox", "Junk": "junk", "Quarantine": "quarantine"}
VERDICTS: Final = frozenset(("inbox", "junk", "quarantine", "reject", "defer", "set aside"))
ACTIONS: Final = frozenset(("reject", "defer", "junk", "quarantine", "trust", "failed", "cancelled"))
SAID_NOTHING: Final = "-"
TAKES_MESSAGES: Final = ("DATA", "BDAT")


def count(counts: Counts, protocol: str, records: Sequence[TraceRecord], dropped: int) -> None:
    """Count the records of one session, or of a part of it."""
    settled: str | None = None  # the message whose outcome is known
    for _, message, kind, name, plugin, outcome, took, detail in records:
        if kind == "command":
            _command(counts, protocol, name, outcome, took)
            if name in TAKES_MESSAGES and message is not None and message != settled and _is_verdict(outcome):
                settled = message
                counts.add(metrics.MESSAGES, protocol, "deferred" if outcome[0] == "4" else "refused")
        elif kind == "hook":
            _hook(counts, name, plugin or OTHER, outcome, took)
        elif kind == "commit":
            settled = message
            counts.add(metrics.MESSAGES, protocol, "accepted")
            counts.observe(metrics.COMMIT_SECONDS, took / 1e6)
            counts.observe(metrics.MESSAGE_BYTES, float(detail.partition(" ")[0]))
        elif kind == "delivery":
            place = "queue" if outcome == "queued" else PLACES.get(name, "another mailbox")
            counts.add(metrics.DELIVERIES, place)
        elif kind == "session":
            if outcome == "opened":
                counts.add(metrics.SESSIONS_OPENED, protocol)
        elif name == "login":
            _login(counts, protocol, outcome, detail)
        elif name == "checks":
            counts.add(metrics.VERDICTS, outcome if outcome in VERDICTS else OTHER)
    if dropped:
        counts.add(metrics.RECORDS_LOST, by=dropped)


def _is_verdict(outcome: str) -> bool:
    """A refusal of a message, and not of a command that may not come now (RFC 3463 §3.6: X.5)."""
    return outcome[:1] in ("4", "5") and outcome[4:8] not in ("5.5.", "4.5.")


def _command(counts: Counts, protocol: str, name: str, outcome: str, took: int) -> None:
    known = name if name in COMMANDS else OTHER
    said = f"{outcome[0]}xx" if outcome[:1].isdigit() else outcome
    counts.add(metrics.COMMANDS, protocol, known, said if said in RESULTS else OTHER)
    if took:
        counts.observe(metrics.COMMAND_SECONDS, took / 1e6, protocol, known)


def _hook(counts: Counts, hook: str, plugin: str, outcome: str, took: int) -> None:
    if outcome != "cancelled" and (took or outcome != "failed"):  # a breaker that is open takes no time
        counts.observe(metrics.HOOK_SECONDS, took / 1e6, hook, plugin)
    if outcome == "failed":
        counts.add(metrics.HOOK_FAILURES, hook, plugin)
    if hook == "check_message":
        word = outcome.partition(" ")[0]
        finding = word if word in ACTIONS else "nothing" if outcome == SAID_NOTHING else "score"
        counts.add(metrics.FINDINGS, plugin, finding)


def _login(counts: Counts, protocol: str, outcome: str, detail: str) -> None:
    mechanism = detail.partition(" ")[0]
    known = mechanism if mechanism in MECHANISMS else OTHER
    result = outcome if outcome in ("succeeded", "refused", "unavailable") else OTHER
    counts.add(metrics.LOGINS, protocol, known, result)

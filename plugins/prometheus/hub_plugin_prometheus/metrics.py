"""Every metric: name, meaning, labels, and how many series it may have at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

SECONDS: Final = (0.0005, 0.002, 0.005, 0.02, 0.05, 0.2, 0.5, 2.0, 10.0, 60.0)
DAYS: Final = (1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 172800.0, 432000.0)
OCTETS: Final = (1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    buckets: upper bounds of a histogram's. limit: so many combinations of labels are kept, more are counted
    together as `other`. merged: how the numbers of the workers become one; `largest` for what all see.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    limit: int = 1
    merged: Literal["sum", "largest"] = "sum"

    @property
    def series(self) -> int:
        """How many time series there can be."""
        each = len(self.buckets) + 3 if self.kind == "histogram" else 1  # +Inf, sum, count
        return each * (self.limit + 1)


SESSIONS_OPENED: Final = Metric(
    "hub_sessions_total", "counter", "Connections that were made.", ("protocol",), limit=10
)
COMMANDS: Final = Metric(
    "hub_commands_total",
    "counter",
    "Commands by what they were answered: 2xx to 5xx, or OK, NO and BAD in IMAP.",
    ("protocol", "command", "result"),
    limit=300,
)
COMMAND_SECONDS: Final = Metric(
    "hub_command_seconds",
    "histogram",
    "Time that commands take, for protocols that measure it.",
    ("protocol", "command"),
    SECONDS,
    limit=80,
)
MESSAGES: Final = Metric(
    "hub_messages_total",
    "counter",
    "Messages by what became of them: accepted, deferred (4xx) or refused (5xx).",
    ("protocol", "outcome"),
    limit=30,
)
MESSAGE_BYTES: Final = Metric(
    "hub_message_bytes", "histogram", "Octets of accepted messages, as stored.", buckets=OCTETS
)
COMMIT_SECONDS: Final = Metric(
    "hub_commit_seconds", "histogram", "Time until an accepted message is durable.", buckets=SECONDS
)
DELIVERIES: Final = Metric(
    "hub_deliveries_total",
    "counter",
    "Copies of accepted messages by where they went: inbox, junk, quarantine, another mailbox, the queue.",
    ("place",),
    limit=5,
)
VERDICTS: Final = Metric(
    "hub_verdicts_total",
    "counter",
    "What all checks together said of messages: inbox (nothing), junk, quarantine, reject, defer, set aside.",
    ("verdict",),
    limit=8,
)
FINDINGS: Final = Metric(
    "hub_findings_total",
    "counter",
    "What each check said: nothing, a score, an action (reject, quarantine, …), failed, cancelled.",
    ("plugin", "finding"),
    limit=200,
)
RELAYED: Final = Metric(
    "hub_relay_outcomes_total",
    "counter",
    "Tries to send mail on, for each recipient: sent, deferred or bounced, and why, such as quota or spam.",
    ("outcome", "class"),
    limit=50,
)
RELAY_SECONDS: Final = Metric(
    "hub_relay_seconds",
    "histogram",
    "Time from the acceptance of mail until it was sent on, or bounced.",
    ("outcome",),
    DAYS,
    limit=2,
)
LOGINS: Final = Metric(
    "hub_logins_total",
    "counter",
    "Logins by mechanism and result: succeeded, refused, unavailable.",
    ("protocol", "mechanism", "result"),
    limit=100,
)
HOOK_SECONDS: Final = Metric(
    "hub_hook_seconds",
    "histogram",
    "Time that each plugin takes in each hook that mail waits for.",
    ("hook", "plugin"),
    SECONDS,
    limit=150,
)
HOOK_FAILURES: Final = Metric(
    "hub_hook_failures_total",
    "counter",
    "Failures of plugins: exceptions, timeouts, wrong results, and calls that an open breaker answers.",
    ("hook", "plugin"),
    limit=150,
)
BREAKER_OPENED: Final = Metric(
    "hub_breaker_opened_total",
    "counter",
    "How often a plugin was left out because it failed again and again.",
    ("plugin",),
    limit=100,
)
RELOADS: Final = Metric(
    "hub_reloads_total",
    "counter",
    "Reloads of plugins, by whether the new ones serve or were refused.",
    ("result",),
    limit=2,
    merged="largest",
)
RECORDS_LOST: Final = Metric(
    "hub_records_lost_total", "counter", "Records of sessions too long to be kept, which nothing here counts."
)

UP: Final = Metric(
    "hub_status_available", "gauge", "Whether the hub has said how it does; if 0, gauges lack."
)
INFO: Final = Metric("hub_info", "gauge", "Always 1.", ("version", "hostname"))
UPTIME: Final = Metric("hub_uptime_seconds", "gauge", "Since the hub was started.")
GENERATION: Final = Metric("hub_generation", "gauge", "The number of the set of plugins that serves.")
SESSIONS: Final = Metric("hub_sessions", "gauge", "Connections that are open.")
WORKERS: Final = Metric("hub_workers", "gauge", "Worker processes by state.", ("state",), limit=3)
QUEUE_RECIPIENTS: Final = Metric("hub_queue_recipients", "gauge", "Recipients that wait in the queue.")
QUEUE_AGE: Final = Metric("hub_queue_age_seconds", "gauge", "How long the oldest of them has waited.")
STORE_MESSAGES: Final = Metric("hub_store_messages", "gauge", "Messages in all mailboxes.")
STORE_BYTES: Final = Metric("hub_store_bytes", "gauge", "Octets of all messages.")
STORE_FREE: Final = Metric("hub_store_free_bytes", "gauge", "Octets that are free on the disk of the store.")
SET_ASIDE: Final = Metric("hub_messages_set_aside", "gauge", "Messages that are judged no more.")
BREAKER_OPEN: Final = Metric(
    "hub_plugin_breaker_open", "gauge", "In how many workers a plugin is left out.", ("plugin",), limit=100
)
THREADS_HUNG: Final = Metric(
    "hub_plugin_threads_hung", "gauge", "Threads of a plugin that hang.", ("plugin",), limit=100
)
FACTS_DROPPED: Final = Metric(
    "hub_plugin_facts_dropped",
    "gauge",
    "Facts that a plugin was not told because it is too slow, since it was loaded.",
    ("plugin",),
    limit=100,
)
DEPENDENCY_UP: Final = Metric(
    "hub_dependency_up",
    "gauge",
    "Whether what a plugin needs outside answers.",
    ("plugin", "name"),
    limit=200,
)

ALL: Final = tuple(each for each in globals().copy().values() if isinstance(each, Metric))
COUNTED: Final[Mapping[str, Metric]] = MappingProxyType(
    {each.name: each for each in ALL if each.kind != "gauge"}
)
GAUGES: Final = tuple(each for each in ALL if each.kind == "gauge")

"""[plugins.alerts]: rules, routes, limits; and the rules that are on without being asked for."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hub import Duration, Secret, Severity, Size

EVENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "message_accepted": ("protocol",),
        "message_refused": ("code", "protocol"),
        "recipient_refused": ("code", "protocol"),
        "message_sent": ("domain",),
        "message_deferred": ("bounce", "domain"),
        "message_bounced": ("bounce", "domain"),
        "login_failed": ("client", "mechanism", "protocol"),
        "account_alarmed": ("account", "what"),
        "breaker_opened": ("plugin", "hook"),
        "reload_refused": (),
        "worker_replaced": ("worker", "why"),
    }
)
"""What can be counted, and the labels of each."""

METRICS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "queue_rows": (),
        "queue_age": (),
        "disk_free": (),
        "disk_free_percent": (),
        "messages": (),
        "sessions": (),
        "set_aside": (),
        "dependency_down": ("plugin", "dependency"),
        "plugin_unwell": ("plugin",),
    }
)
"""What can be measured, and the labels of each."""

Threshold = Annotated[
    float | Duration | Size,
    Field(union_mode="left_to_right", title='number, duration such as "4h", or size such as "2GiB"'),
]

DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "account-alarmed": {
            "event": "account_alarmed",
            "by": ("account",),
            "window": 600.0,
            "severity": "error",
            "text": "{account} sends as if somebody else had its password",
        },
        "breaker-opened": {
            "event": "breaker_opened",
            "by": ("plugin",),
            "window": 600.0,
            "severity": "error",
            "text": "the plugin {plugin} failed too often and is not asked for a while",
        },
        "reload-refused": {
            "event": "reload_refused",
            "window": 600.0,
            "severity": "warning",
            "text": "a reload was refused, what was loaded before goes on",
        },
        "worker-replaced": {
            "event": "worker_replaced",
            "where": {"why": "!hub reload*"},
            "window": 600.0,
            "severity": "error",
            "text": "a worker ended and was replaced ({count} times within {window})",
        },
        "dependency-down": {
            "metric": "dependency_down",
            "by": ("plugin", "dependency"),
            "above": 0,
            "for": 120.0,
            "severity": "error",
            "text": "{plugin} cannot use {dependency}",
        },
        "queue-age": {
            "metric": "queue_age",
            "above": 4 * 3600.0,
            "for": 300.0,
            "severity": "warning",
            "text": "the oldest mail in the queue waits for {value}",
        },
        "disk-low": {
            "metric": "disk_free_percent",
            "below": 5,
            "for": 60.0,
            "severity": "critical",
            "text": "{value} of the disk with the mail is free",
        },
        "login-failures": {
            "event": "login_failed",
            "count": 100,
            "window": 300.0,
            "severity": "warning",
            "text": "{count} logins failed within {window}",
        },
        "listed": {
            "event": "message_bounced",
            "where": {"bounce": "reputation"},
            "by": ("domain",),
            "count": 5,
            "window": 600.0,
            "severity": "error",
            "text": "{domain} has refused {count} mails within {window}, for the hub's address is on a list",
        },
        "deferral-rate": {
            "event": "message_refused",
            "where": {"code": "4*"},
            "of": ("message_accepted", "message_refused"),
            "share": 0.1,
            "count": 20,
            "window": 600.0,
            "severity": "warning",
            "text": "{value} of the messages were put off within {window} ({count})",
        },
    }
)
"""Rules by name; what the configuration says under the same name is laid over them."""


class Rule(BaseModel):
    """[plugins.alerts.rules.<name>]: an `event` that is counted, or a `metric` that is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="false switches the rule off.")
    event: str | None = Field(default=None, description=f"What to count: {', '.join(EVENTS)}.")
    metric: str | None = Field(default=None, description=f"What to measure: {', '.join(METRICS)}.")
    where: dict[str, str] = Field(
        default={}, description='Patterns by label, such as code = "4*"; one with ! before it excludes.'
    )
    by: tuple[str, ...] = Field(default=(), description="Labels whose values have an alert each.")
    count: int = Field(default=1, ge=1, description="Events within the window that are too many.")
    of: tuple[str, ...] = Field(
        default=(), description="Events that the share is of; the rule's own event is among them, or not."
    )
    share: float | None = Field(
        default=None, gt=0, le=1, description="The share of `of` above which there are too many."
    )
    window: Duration = Field(
        default=300.0, ge=60, le=86400, description="How far back events are counted, by whole minutes."
    )
    above: Threshold | None = Field(default=None, description="A metric above this is too high.")
    below: Threshold | None = Field(default=None, description="A metric below this is too low.")
    hold: Duration = Field(
        default=0.0, alias="for", le=86400, description="How long it must be so before it is an alert."
    )
    quiet: Duration = Field(
        default=60.0, le=86400, description="How long it must be over before the alert is resolved."
    )
    severity: Severity = Field(default=Severity.WARNING, description="How urgent it is.")
    text: str = Field(
        default="",
        max_length=500,
        description="The alert's sentence; may name {rule}, {value}, {count}, {window} and labels in `by`.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.event is None) == (self.metric is None):
            raise ValueError("needs either an `event` or a `metric`")
        for event in (*filter(None, (self.event,)), *self.of):
            _known(event, EVENTS, "event")
        if self.metric is not None:
            _known(self.metric, METRICS, "metric")
            if (self.above is None) == (self.below is None):
                raise ValueError("a metric needs either `above` or `below`")
        elif self.above is not None or self.below is not None:
            raise ValueError("`above` and `below` are for metrics; events take `count`, or `share` with `of`")
        if (self.share is None) != (not self.of):
            raise ValueError("`share` and `of` belong together")
        own = EVENTS[self.event] if self.event is not None else METRICS[self.metric or ""]
        for label in self.where:
            _known(label, dict.fromkeys(own), "label")
        for label in self.by:
            in_all = (each for each in own if all(each in EVENTS[event] for event in self.of))
            _known(label, dict.fromkeys(in_all), "label")
        self._check_text()
        return self

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether what has these labels is the rule's business; a label that is not known fits none."""
        for label, pattern in self.where.items():
            wanted = not pattern.startswith("!")
            if fnmatch.fnmatchcase(labels.get(label, ""), pattern.removeprefix("!")) is not wanted:
                return False
        return True

    def sentence(self, values: Mapping[str, str]) -> str:
        """The rule's text with the values put in."""
        return (self.text or "{rule}: {value}").format_map(values)

    def _check_text(self) -> None:
        offered = ("rule", "value", "count", "window", *self.by)
        try:
            named = [part[1:] for part in Formatter().parse(self.text) if part[1] is not None]
        except ValueError as error:
            raise ValueError(f"`text` has a brace too many or too few: {error}") from None
        for name, spec, conversion in named:
            if name not in offered or spec or conversion:
                shown = ", ".join(f"{{{each}}}" for each in offered)
                raise ValueError(f"`text` may name {shown}; '{name}' is none of them")


class Route(BaseModel):
    """[plugins.alerts.routes.<sink>]: what a sink gets. A sink without one gets everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: Severity = Field(default=Severity.INFO, description="Nothing less urgent than this.")
    rules: tuple[str, ...] = Field(default=("*",), description="Patterns of the rules that go there.")

    def admits(self, rule: str, severity: Severity) -> bool:
        """Whether an alert goes this way."""
        fits = any(fnmatch.fnmatchcase(rule, pattern) for pattern in self.rules)
        return fits and severity.rank >= self.least.rank


class Heartbeat(BaseModel):
    """[plugins.alerts.heartbeat]: somebody outside who notices when this falls silent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Secret = Field(description="Gets a POST for as long as alerts are evaluated; often a secret.")
    every: Duration = Field(default=60.0, ge=1, le=86400, description="The pause between two of them.")


class Settings(BaseModel):
    """[plugins.alerts]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: Duration = Field(
        default=10.0, ge=1, le=300, description="The pause between two looks at all the rules."
    )
    rules: Annotated[dict[str, Rule], Field(validate_default=True)] = Field(
        default={}, description="By name; the default rules can be changed in part, or switched off."
    )
    routes: dict[str, Route] = Field(
        default={}, description="What a sink, such as alert-slack, gets; without one it gets everything."
    )
    max_alerts: int = Field(
        default=10, ge=1, le=100, description="Alerts of one rule at once; the rest are one alert more."
    )
    max_notices: int = Field(
        default=20, ge=1, le=1000, description="Notices to one sink in ten minutes; the others wait."
    )
    keep: Duration = Field(
        default=14 * 86400.0, ge=3600, le=90 * 86400, description="How long counts and values are kept."
    )
    heartbeat: Heartbeat | None = Field(default=None, description="Who is told that alerting lives.")

    @field_validator("rules", mode="before")
    @classmethod
    def _over_defaults(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        merged: dict[object, object] = {name: dict(rule) for name, rule in DEFAULTS.items()}
        for name, table in given.items():
            default = merged.get(name)
            merged[name] = (
                {**default, **table} if isinstance(default, dict) and isinstance(table, Mapping) else table
            )
        return merged

    @field_validator("rules")
    @classmethod
    def _names(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        for name in rules:
            if not name or len(name) > 60 or "/" in name or not name.isprintable() or name == "manual":
                raise ValueError(f"a rule has up to 60 characters, no slash, and is not 'manual': {name!r}")
        return rules


def _known(name: str, names: Mapping[str, object], kind: str) -> None:
    if name not in names:
        raise ValueError(f"there is no {kind} '{name}' here: {', '.join(names) or 'it has none'}")

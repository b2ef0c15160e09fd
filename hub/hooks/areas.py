"""Every hook of the hub, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from hub.hooks import (
    alerting,
    delivery,
    dns,
    http,
    imap,
    lifecycle,
    listeners,
    login,
    message,
    observe,
    relay,
    smtp,
)
from hub.hooks.markers import SpecOptions

AREAS: Final[tuple[ModuleType, ...]] = (
    lifecycle,
    smtp,
    login,
    message,
    delivery,
    relay,
    imap,
    http,
    listeners,
    observe,
    alerting,
    dns,
)
"""The modules that declare hooks, in the order in which a message meets them."""


def _specs() -> Mapping[str, Callable[..., object]]:
    found = {
        name: function
        for area in AREAS
        for name, function in vars(area).items()
        if isinstance(getattr(function, "hub_spec_options", None), SpecOptions)
    }
    return MappingProxyType(found)


SPECS: Final = _specs()
"""Hook name → hookspec function."""

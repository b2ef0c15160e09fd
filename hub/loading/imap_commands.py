"""The IMAP commands that the plugins of one generation add, and who does which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, MappingProxyType

from hub.dispatch.step import Step
from hub.hooks.imap import provide_imap_commands
from hub.hooks.imapcommand import ImapAnswer, ImapCommand
from hub.hooks.markers import FIRST, TEMPFAIL, SpecOptions
from hub.loading.compile import Hook, Part, check_function, fault, make_step
from hub.loading.errors import LoadError, LoadErrors


@dataclass(frozen=True, slots=True)
class AddedCommand:
    """A command and the plugin's part in it."""

    command: ImapCommand
    step: Step


def gather_imap_commands(provided: Sequence[tuple[Part, ImapCommand]]) -> Mapping[str, AddedCommand]:
    """Name → who does it. LoadErrors that name both where two want the same."""
    errors: list[LoadError] = []
    added: dict[str, AddedCommand] = {}
    for part, command in provided:
        handler = command.handler
        if not isinstance(handler, FunctionType):
            said = f"the handler of {command.name} is a {type(handler).__name__}, not a function"
            errors.append(LoadError(part.scope.name, said, hint="See: hub hooks provide_imap_commands"))
            continue
        options = SpecOptions(FIRST, TEMPFAIL, command.timeout, None)
        offered = ("plugin", "session", "arguments")
        hook = Hook(provide_imap_commands.__name__, options, offered, (ImapAnswer,), is_async=True)
        errors += check_function(part, handler, f"the handler of {command.name}", hook)
        made = AddedCommand(command, make_step(hook, handler, part))
        taken = added.setdefault(command.name, made)
        if taken is not made:
            by = taken.step.plugin
            who = "the plugin itself" if by == part.scope.name else f"the plugin '{by}'"
            said = f"'{part.scope.name}' wants to do {command.name}, and {who} does already"
            errors.append(fault(part, handler, said))
    if errors:
        raise LoadErrors(errors)
    return MappingProxyType(added)

"""Implementations into plans: pluggy matches and orders, what it finds is checked, and every error
teaches.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Final, Union, cast, get_args, get_origin, get_type_hints

import pluggy

from hub.config.key import nearest
from hub.config.tables.plugins import PluginOptions
from hub.dispatch.judging import step_note
from hub.dispatch.plan import ChainPlan, CollectPlan, FirstPlan, GatherPlan, NotifyPlan, Plan
from hub.dispatch.step import Step
from hub.hooks.areas import SPECS
from hub.hooks.markers import PROJECT, ImplOptions, Mode, OnFailure, SpecOptions
from hub.loading.errors import LoadError
from hub.loading.scope import Scope
from hub.loading.sources import Source
from hub.mail.login import BEARER_MECHANISMS, CERTIFICATE_MECHANISMS, PASSWORD_MECHANISMS
from hub.mail.verdict import Finding

MECHANISMS: Final = (*BEARER_MECHANISMS, *CERTIFICATE_MECHANISMS, *PASSWORD_MECHANISMS)
"""What an implementation of `authenticate` may name; SCRAM has a hook of its own."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A hookspec in the form that building needs.

    parameters: its arguments in order, `plugin` first. item: what the list of a GATHER hook holds.
    """

    name: str
    options: SpecOptions
    parameters: tuple[str, ...]
    returns: tuple[type, ...]
    is_async: bool
    item: type[object] = object

    @property
    def offered(self) -> frozenset[str]:
        """What every call gives, `plugin` aside."""
        return frozenset(self.parameters[1:])


_SPECS: Final = ModuleType("hookspecs")
"""For pluggy, which looks at every name in what it is given: the areas' modules hold hundreds of others."""
vars(_SPECS).update(SPECS)


@cache
def hooks() -> Mapping[str, Hook]:
    """Read all hookspecs; once per process, for resolving their annotations takes a while."""
    return types.MappingProxyType({name: _hook(name, spec) for name, spec in SPECS.items()})


def _hook(name: str, spec: Callable[..., object]) -> Hook:
    options = cast(SpecOptions, vars(spec)["hub_spec_options"])
    parameters = tuple(inspect.signature(spec).parameters)
    answer = get_type_hints(spec)["return"]
    item = get_args(answer)[0] if options.mode is Mode.GATHER else object
    return Hook(name, options, parameters, _flat(answer), inspect.iscoroutinefunction(spec), item)


def _flat(annotation: object) -> tuple[type, ...]:
    """The classes in an annotation, None aside."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for part in get_args(annotation) for kind in _flat(part))
    kind = get_origin(annotation) or annotation
    return (kind,) if isinstance(kind, type) and kind is not types.NoneType else ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one plugin brings to a generation."""

    source: Source
    module: ModuleType
    scope: Scope
    options: PluginOptions


@dataclass(frozen=True, slots=True)
class Compiled:
    """Every hook's plan; or errors. warnings: what was probably meant otherwise."""

    plans: Mapping[str, Plan]
    errors: tuple[LoadError, ...]
    warnings: tuple[LoadError, ...]


def compile_plans(parts: Sequence[Part], table: Mapping[str, Hook]) -> Compiled:
    """One plan per hook from plugins in run order.

    A fresh plugin manager each time: one that has refused a plugin keeps half of it.
    """
    errors: list[LoadError] = []
    warnings: list[LoadError] = []
    for part in parts:
        found = list(_check(part, table))
        errors += found
        warnings += _unmarked(part, table)
    if errors:
        return Compiled({}, tuple(errors), tuple(warnings))
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(_SPECS)
    by_name = {part.scope.name: part for part in parts}
    for part in reversed(parts):  # who is registered last is called first
        manager.register(part.module, part.scope.name)
    manager.check_pending()
    plans = {hook.name: _plan(hook, _in_order(manager, hook.name), by_name) for hook in table.values()}
    return Compiled(types.MappingProxyType(plans), (), tuple(warnings))


def _in_order(manager: pluggy.PluginManager, hook: str) -> list[pluggy.HookImpl]:
    caller = cast("pluggy.HookCaller", getattr(manager.hook, hook))
    return caller.get_hookimpls()[::-1]


def _plan(hook: Hook, found: Sequence[pluggy.HookImpl], parts: Mapping[str, Part]) -> Plan:
    steps = tuple(
        make_step(hook, cast(FunctionType, impl.function), parts[impl.plugin_name]) for impl in found
    )
    match hook.options.mode:
        case Mode.FIRST:
            return FirstPlan(hook.name, hook.offered, steps)
        case Mode.COLLECT:
            return CollectPlan(hook.name, hook.offered, steps)
        case Mode.CHAIN:
            return ChainPlan(hook.name, hook.offered, steps, cast(str, hook.options.carry))
        case Mode.NOTIFY:
            notifiers = tuple(parts[impl.plugin_name].scope.notifier for impl in found)
            return NotifyPlan(hook.name, hook.offered, steps, notifiers)
        case Mode.GATHER:
            return GatherPlan(hook.name, hook.offered, steps, hook.item)
        case Mode.OWN:
            return Plan(hook.name, hook.offered, steps)


def make_step(hook: Hook, function: FunctionType, part: Part) -> Step:
    """A function of a plugin as its part in a plan."""
    impl = cast(ImplOptions, vars(function).get("hub_impl_options", ImplOptions()))
    names = _parameters(function)
    configured = part.options.on_failure
    return Step(
        hook=hook.name,
        plugin=part.scope.name,
        scope=part.scope,
        function=function,
        accepts=tuple(name for name in names if name in hook.offered),
        takes_plugin="plugin" in names,
        is_async=inspect.iscoroutinefunction(function),
        returns=hook.returns,
        timeout=part.options.timeout or impl.timeout or hook.options.timeout,
        on_failure=OnFailure[configured.upper()] if configured else hook.options.on_failure,
        max_size=impl.max_size,
        score=impl.score,
        mechanisms=impl.mechanisms,
        breaker=part.scope.breaker,
        threads=part.scope.threads,
        observe=part.scope.observe,
        judges=step_note(_place(function, part)) if "message" in hook.offered else b"",
    )


def _place(function: FunctionType, part: Part) -> str:
    code = function.__code__
    return f"{part.scope.name} ({part.source.shown(code.co_filename)}:{code.co_firstlineno})"


def _parameters(function: FunctionType) -> list[str]:
    return list(inspect.signature(function).parameters)


# -- what a plugin's author gets to read ----------------------------------------------------------------


def _check(part: Part, table: Mapping[str, Hook]) -> Iterator[LoadError]:
    """What is wrong with the implementations in a module."""
    for name, value in vars(part.module).items():
        options = vars(value).get(PROJECT + "_impl") if isinstance(value, FunctionType) else None
        if not isinstance(value, FunctionType) or not isinstance(options, dict):
            continue
        wanted = options.get("specname") or name
        hook = table.get(wanted)
        if hook is not None:
            yield from check_function(part, value, wanted, hook)
        elif not options.get("optionalhook"):
            near = nearest(wanted, table)
            hint = f"Did you mean '{near}'?  See: hub hooks {near}" if near else "See: hub hooks"
            yield fault(part, value, f"there is no hook '{wanted}'", hint)


def check_function(part: Part, function: FunctionType, name: str, hook: Hook) -> Iterator[LoadError]:
    """What is wrong with one implementation, which the texts call `name`."""
    see = f"See: hub hooks {hook.name}"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            yield fault(part, function, f"{name} must name its arguments, '{parameter}' does not", see)
        elif parameter.name not in hook.parameters and parameter.default is parameter.empty:
            near = nearest(parameter.name, hook.parameters)
            yield fault(
                part,
                function,
                f"{name} has no argument '{parameter.name}'. It offers: {', '.join(hook.parameters)}",
                f"Did you mean '{near}'?  {see}" if near else see,
            )
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        yield fault(part, function, f"{name} yields; a hook returns its one answer", see)
    elif inspect.iscoroutinefunction(function) and not hook.is_async:
        yield fault(part, function, f"{name} must be a plain def: it is called while nothing else runs", see)
    impl = cast(ImplOptions, vars(function).get("hub_impl_options", ImplOptions()))
    if impl.max_size is not None and "message" not in hook.offered:
        yield fault(part, function, f"{name} has no message, so max_size means nothing", see)
    if impl.score is not None and Finding not in hook.returns:
        yield fault(part, function, f"{name} returns no Finding, so score means nothing", see)
    elif impl.score is not None and not -1e6 < impl.score[0] <= impl.score[1] < 1e6:
        yield fault(part, function, f"{name}: score={impl.score} is not (least, most)", see)
    if impl.mechanisms and "credentials" not in hook.offered:
        yield fault(part, function, f"{name} is shown no credentials, so mechanisms means nothing", see)
    for mechanism in set(impl.mechanisms) - set(MECHANISMS):
        known = f"Known: {', '.join(MECHANISMS)}"
        yield fault(part, function, f"{name}: there is no mechanism {mechanism!r}", known)
    if impl.timeout is not None and impl.timeout <= 0:
        yield fault(part, function, f"{name}: timeout={impl.timeout:g} leaves no time", see)


def _unmarked(part: Part, table: Mapping[str, Hook]) -> Iterator[LoadError]:
    """Functions that are called like a hook but will never run."""
    for name, value in vars(part.module).items():
        own = isinstance(value, FunctionType) and value.__module__ == part.module.__name__
        if own and name in table and not hasattr(value, PROJECT + "_impl"):
            yield fault(part, value, f"{name} is not marked with @hookimpl and will not run")


def fault(part: Part, function: FunctionType, reason: str, hint: str = "") -> LoadError:
    """A fault of a function, at the line of its `def`."""
    function = cast(FunctionType, inspect.unwrap(function))
    file = part.source.shown(function.__code__.co_filename)
    return LoadError(part.scope.name, reason, file, _def_line(function), hint)


def _def_line(function: FunctionType) -> int:
    """The line of the `def`, below its decorators."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return function.__code__.co_firstlineno
    below = next(
        (number for number, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def "))), 0
    )
    return first + below

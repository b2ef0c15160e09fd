"""The module of a new plugin: its settings, its hooks, its driver."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Final

from hub.cli.scaffold.text import Signature, imports, signatures
from hub.hooks.areas import SPECS
from hub.services.blobs import Blobs
from hub.services.directory import Directory, DirectoryAdmin
from hub.services.storage import Storage

PROTOCOLS: Final[dict[str, tuple[type, ...]]] = {
    "storage": (Storage,),
    "blobs": (Blobs,),
    "directory": (Directory, DirectoryAdmin),
}
REFUSE: Final = '    refuse: bool = Field(default=False, description="Refuse whoever asks.")'
SCORE: Final = '    score: float = Field(default=0.0, description="Added to that of every message.")'


@dataclass(frozen=True, slots=True)
class Outline:
    """What a new plugin shall have. width: of its lines."""

    name: str
    hooks: tuple[str, ...]
    driver: str | None = None
    one_file: bool = False

    @property
    def snake(self) -> str:
        """The name as a part of a module's."""
        return self.name.replace("-", "_")

    @property
    def driver_class(self) -> str:
        """What its driver is called."""
        camel = "".join(part.capitalize() for part in self.name.split("-"))
        service = (self.driver or "").capitalize()
        return camel if camel.endswith(service) else camel + service

    @property
    def width(self) -> int:
        """One file brings no configuration of a formatter, so the usual one's."""
        return 88 if self.one_file else 110

    def returns(self, kind: str) -> list[str]:
        """The hooks whose result may be of that kind."""
        return [hook for hook in self.hooks if kind in spec(hook).returns.split(" | ")]

    @property
    def settings(self) -> dict[str, tuple[str, str]]:
        """Key → its default as TOML has it, and what it is for."""
        found: dict[str, tuple[str, str]] = {}
        if self.returns("Verdict"):
            found["refuse"] = ("false", "refuse whoever asks")
        if self.returns("Finding"):
            found["score"] = ("0.0", "added to that of every message")
        return found


def spec(hook: str) -> Signature:
    """A hook's signature and manual."""
    return signatures(SPECS[hook])[0]


def module(outline: Outline) -> str:
    """Its text."""
    parts = [_settings(outline)] if outline.settings or not outline.one_file else []
    if outline.driver:
        parts.append(_driver(outline))
    parts += [
        f"@hookimpl\n{spec(hook).define(_body(outline, hook), outline.width)}" for hook in outline.hooks
    ]
    public = importlib.import_module("hub").__all__
    head = f'"""{_summary(outline)}"""\n\nfrom __future__ import annotations\n\n'
    return head + imports(_names(outline), public, outline.width) + "\n\n\n" + "\n\n".join(parts)


def _summary(outline: Outline) -> str:
    if outline.driver:
        return f"A driver of the service `{outline.driver}`; say here where it keeps what it is given."
    return "Say here, in one line, what the plugin does."


def _names(outline: Outline) -> set[str]:
    """Everything that the module imports."""
    found: set[str] = set()
    for hook in outline.hooks:
        found |= {"hookimpl"} | spec(hook).names
    if outline.settings:
        found |= {"pydantic.BaseModel", "pydantic.ConfigDict", "pydantic.Field"}
    elif not outline.one_file:
        found |= {"pydantic.BaseModel", "pydantic.ConfigDict"}
    if outline.returns("Verdict"):
        found.add("Reject")
    if outline.driver:
        found |= {"Plugin", "Self"}.union(*(each.names for each in _methods(outline.driver)))
    return found


def _settings(outline: Outline) -> str:
    fields = [line for key, line in (("refuse", REFUSE), ("score", SCORE)) if key in outline.settings]
    return "\n".join(
        (
            "class Settings(BaseModel):",
            f'    """[plugins.{outline.name}]"""\n',
            '    model_config = ConfigDict(extra="forbid", frozen=True)',
            *(["", *fields] if fields else []),
            "",
        )
    )


def _body(outline: Outline, hook: str) -> str:
    """What the hook does until its author has thought of something."""
    signature = spec(hook)
    if hook in outline.returns("Verdict"):
        return (
            "if plugin.settings(Settings).refuse:\n"
            f'    return Reject("5.7.1", "{outline.name} refuses everybody")\n'
            "return None\n"
        )
    if hook in outline.returns("Finding"):
        return (
            "score = plugin.settings(Settings).score\n"
            f'return Finding(score=score, reasons=("{outline.name}",)) if score else None\n'
        )
    if signature.returns == "None":
        return f'plugin.log.debug("{hook}")\n'
    if "None" in signature.returns.split(" | "):
        return "return None\n"
    return "return []\n"


def _methods(service: str) -> list[Signature]:
    return [each for protocol in PROTOCOLS[service] for each in signatures(protocol)]


def _driver(outline: Outline) -> str:
    """The class, in which everything is still to be written."""
    assert outline.driver is not None
    methods = [
        each.define("raise NotImplementedError\n", outline.width, 4) for each in _methods(outline.driver)
    ]
    head = f'''class {outline.driver_class}:
    """The hub makes it with the plugin's scope and enters it; its contract suite says whether it is right."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    async def __aenter__(self) -> Self:
        """Open what it needs."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
'''
    return "\n".join((head, *methods))

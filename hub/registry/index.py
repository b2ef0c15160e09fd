"""What a registry says of its plugins: `plugins.json`, beside the pages and the index that pip reads.

Whoever makes a registry writes it with these models, and whoever reads one checks it against them.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hub.config.key import suggestion
from hub.loading.sources import check_name

FILE: Final = "plugins.json"
PREFIX: Final = "hub-plugin-"
"""Of the distribution of every plugin."""
Tier: TypeAlias = Literal["listed", "loads", "checked", "proven"]
TIERS: Final[tuple[Tier, ...]] = ("listed", "loads", "checked", "proven")
"""What a plugin has earned, least first: each tier asks for all checks of the tiers before it too."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class RegistryError(ValueError):
    """The registry cannot be read, or does not have what is asked for; the text says why."""


def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError(str(error)) from None
    return text


def _specifiers(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    return text


def _printable(text: str) -> str:
    """One line that cannot steer a terminal."""
    return _CONTROL.sub(" ", text)


Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[str, AfterValidator(check_name)]


class _Said(BaseModel):
    """Fields that this hub does not know yet are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Release(_Said):
    """One wheel. file: from the folder of `plugins.json`; sha256: of the wheel, in hexadecimal digits."""

    version: Annotated[str, AfterValidator(_version)]
    file: Annotated[str, Field(pattern=r"^files/[A-Za-z0-9_.!+-]+\.whl$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    requires_python: Annotated[str, AfterValidator(_specifiers)] = ""
    requires: tuple[Text, ...] = ()

    @property
    def parsed(self) -> Version:
        """The version, to compare."""
        return Version(self.version)

    def runs_on(self, python: str) -> bool:
        """Whether this Python will do."""
        return SpecifierSet(self.requires_python).contains(python, prereleases=True)


class Outcome(_Said):
    """What came of one check. passed: None if it was not run; said: a sentence for each thing found."""

    check: Text
    tier: Tier
    passed: bool | None
    said: tuple[Text, ...] = ()


class Setting(_Said):
    """One key of the plugin's table. default: as TOML, empty if there is none."""

    key: Text
    type: Text
    default: Text = ""
    required: bool = False
    meaning: Text = ""


class Listed(_Said):
    """One plugin of the registry; of its releases the newest comes first, and the rest is about that."""

    name: Name
    summary: Text = ""
    licence: Text = ""
    tags: tuple[Text, ...] = ()
    tier: Tier = "listed"
    outcomes: tuple[Outcome, ...] = ()
    hooks: tuple[Text, ...] = ()
    drives: tuple[Text, ...] = ()
    settings: tuple[Setting, ...] = ()
    releases: tuple[Release, ...] = ()

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return PREFIX + self.name

    def newest(self, python: str) -> Release:
        """The newest release that runs on a Python, a final one if there is any. RegistryError."""
        fit = [release for release in self.releases if release.runs_on(python)]
        if not fit:
            said = ", ".join(f"{each.version} needs Python {each.requires_python}" for each in self.releases)
            raise RegistryError(f"{self.name} has no release for Python {python}: {said or 'it has none'}")
        final = [release for release in fit if not release.parsed.is_prerelease]
        return max(final or fit, key=lambda release: release.parsed)

    def release(self, version: str) -> Release:
        """The release of a version. RegistryError."""
        for release in self.releases:
            if release.version == version:
                return release
        there = ", ".join(release.version for release in self.releases)
        raise RegistryError(f"the registry has no {self.name} {version}; it has {there or 'none'}")

    def matches(self, words: tuple[str, ...]) -> bool:
        """Whether each word is part of something that is said of it here."""
        said = " ".join((self.name, self.summary, self.tier, *self.tags, *self.hooks, *self.drives)).lower()
        return all(word.lower() in said for word in words)


class Index(_Said):
    """A registry. version: of this format."""

    version: Literal[1] = 1
    plugins: tuple[Listed, ...]

    def plugin(self, name: str) -> Listed:
        """The plugin of a name. RegistryError with the nearest one."""
        name = name.removeprefix(PREFIX)
        by_name = {plugin.name: plugin for plugin in self.plugins}
        if name not in by_name:
            hint = suggestion(name, by_name) or "See: hub plugins search"
            raise RegistryError(f"the registry has no plugin '{_printable(name)}'. {hint}")
        return by_name[name]


def parse(content: bytes, place: str) -> Index:
    """Read a `plugins.json`. RegistryError with the place and the first thing that is wrong."""
    try:
        return Index.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RegistryError(f"{place} is no index of plugins: {where}: {first['msg']}") from None

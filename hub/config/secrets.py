"""Secrets, and the references by which a configuration names them: `secret://env/NAME`, `secret://file/PATH`."""

import hmac
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hub.config.errors import SECRET, ConfigError
from hub.config.key import Key, suggestion
from hub.config.tree import Tree

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

PREFIX = "secret://"
MASK = "********"
MAX_BYTES = 64 << 10

SecretSource = Callable[[str, Path], str]
"""Looks up one scheme. Takes what follows `secret://<scheme>/` and the folder of the file that says it; it
returns the secret, or raises ValueError with a reason that does not contain it."""


class Secret:
    """A text that shows itself to nobody who does not `reveal()` it.

    As the type of a settings field it takes a `secret://` reference or a plain string, and is masked wherever
    settings are printed, logged or written as JSON.
    """

    __slots__ = ("_text", "reference")

    def __init__(self, text: str, reference: str | None = None) -> None:
        self._text = text
        self.reference = reference

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({self.reference or MASK!r})"

    def __str__(self) -> str:
        return self.reference or MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        from pydantic_core import core_schema

        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )


def builtin_sources(environ: Mapping[str, str]) -> dict[str, SecretSource]:
    """The schemes that need no plugin: `env` and `file`."""

    def from_environment(name: str, folder: Path) -> str:
        if name not in environ:
            raise ValueError("the environment has no such variable")
        return environ[name]

    return {"env": from_environment, "file": _from_file}


def resolve(tree: Tree, sources: Mapping[str, SecretSource]) -> tuple[dict[Key, Secret], list[ConfigError]]:
    """Look up every reference in the tree: the secrets by key, and what could not be looked up."""
    secrets: dict[Key, Secret] = {}
    errors: list[ConfigError] = []
    for key, reference in _references(tree.values, ()):
        layer = tree.layer(key)
        scheme, _, rest = reference.removeprefix(PREFIX).partition("/")
        if scheme not in sources:
            hint = suggestion(scheme, sources)
            errors.append(
                layer.origin(key).error(
                    key, f"{reference} has an unknown scheme '{scheme}'", hint, code=SECRET
                )
            )
            continue
        try:
            text = sources[scheme](rest, layer.folder)
        except ValueError as error:
            errors.append(layer.origin(key).error(key, f"{reference} cannot be read: {error}", code=SECRET))
            continue
        if text:
            secrets[key] = Secret(text, reference)
        else:
            errors.append(layer.origin(key).error(key, f"{reference} is empty", code=SECRET))
    return secrets, errors


def _references(value: object, key: Key) -> list[tuple[Key, str]]:
    if isinstance(value, str):
        return [(key, value)] if value.startswith(PREFIX) else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for name, child in children for found in _references(child, (*key, name))]


def _from_file(path: str, folder: Path) -> str:
    """`file/run/x` is /run/x; `file/./x` and `file/~/x` start from the configuration and the home."""
    relative = path.startswith(("./", "../", "~/"))
    place = folder / Path(path).expanduser() if relative else Path("/", path)
    try:
        with open(place, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is not a regular file")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ValueError(f"others than its owner can write it; chmod go-w {place}")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be opened") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None

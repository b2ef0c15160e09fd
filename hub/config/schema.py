"""What a pydantic model says about a key: its field, its type in words, and which names a table can have."""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hub.config.key import Key
from hub.config.secrets import Secret

_WORDS: Mapping[object, str] = types.MappingProxyType(
    {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
        Secret: "secret (a secret:// reference, or text)",
        type(None): "unset",
    }
)


def names_at(model: type[BaseModel], key: Key) -> list[str]:
    """The names that the table at `key` can have; none where that is open or there is no table."""
    return [name for table in _models(annotations_at(model, key)) for name in _fields(table)]


def field_at(model: type[BaseModel], key: Key) -> FieldInfo | None:
    """The field that `key` names, or None where no field is named by that."""
    if not key:
        return None
    for table in _models(annotations_at(model, key[:-1])):
        if key[-1] in _fields(table):
            return _fields(table)[str(key[-1])]
    return None


def annotations_at(model: type[BaseModel], key: Key) -> list[object]:
    """The types that the value at `key` can have, unions taken apart; none where there is no such key."""
    found: list[object] = [model]
    for part in key:
        found = [
            plain
            for annotation in found
            for inner in _inside(annotation, part)
            for plain in _alternatives(inner)
        ]
    return found


def describe(field: FieldInfo) -> str:
    """The type of a field in an operator's words: `list of host:port`."""
    return _title(field.metadata, field.title) or _describe(field.annotation)


def choices(annotations: list[object]) -> list[str]:
    """The texts that a Literal among the annotations allows."""
    return [
        text for a in annotations if get_origin(a) is Literal for text in get_args(a) if isinstance(text, str)
    ]


def _describe(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _title(arguments[1:], None) or _describe(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(f'"{text}"' for text in arguments)
    if origin in (Union, types.UnionType):
        return ", or ".join(_describe(argument) for argument in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of names, each a {_describe(arguments[1])}"
    if origin in (list, tuple, set, frozenset):
        return f"list of {_describe(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _title(metadata: object, title: str | None) -> str | None:
    if title is None and isinstance(metadata, list | tuple):
        titles = (item.title for item in metadata if isinstance(item, FieldInfo))
        return next(filter(None, titles), None)
    return title


def _inside(annotation: object, part: str | int) -> list[object]:
    """The annotations, unions and all, of what stands at `part` in a value of a plain annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = _fields(annotation).get(str(part))
        return [field.annotation] if field is not None else []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if not isinstance(origin, type) or not arguments:
        return []
    if issubclass(origin, Mapping) and isinstance(part, str):
        return [arguments[1]]
    if issubclass(origin, tuple) and isinstance(part, int):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return [arguments[0]]
        return [arguments[part]] if part < len(arguments) else []
    if origin in (list, set, frozenset) and isinstance(part, int):
        return [arguments[0]]
    return []


def _alternatives(annotation: object) -> list[object]:
    """A type without its metadata, and a union as its members."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [plain for argument in get_args(annotation) for plain in _alternatives(argument)]
    return [annotation]


def _models(annotations: list[object]) -> list[type[BaseModel]]:
    return [a for a in annotations if isinstance(a, type) and issubclass(a, BaseModel)]


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields by the names that a configuration uses: the alias where there is one."""
    return {field.alias or name: field for name, field in model.model_fields.items()}

"""Tables into models: secrets revealed, paths anchored, faults named with their file and line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hub.config.errors import UNKNOWN_KEY, WRONG_VALUE, ConfigError, ConfigErrors
from hub.config.key import Key, nearest, suggestion
from hub.config.schema import annotations_at, choices, names_at
from hub.config.secrets import MASK, Secret
from hub.config.tree import Layer, Origin, Tree, merge

Model = TypeVar("Model", bound=BaseModel)

_REASONS = {
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "mapping_type": "should be a table",
    "tuple_type": "should be a list",
}


@dataclass(frozen=True, slots=True)
class Where:
    """Where a table stands: its key, and the merged configuration that knows the origin of its values.

    `also` are names that the table can have beyond its model's, for suggestions.
    """

    tree: Tree
    key: Key = ()
    also: tuple[str, ...] = ()

    @classmethod
    def nowhere(cls, *key: str) -> "Where":
        """For a table that was written in no file, such as a test's."""
        return cls(merge(Layer("default", "default", {}, Path.cwd()), ()), key)


def validate_table(model: type[Model], table: Mapping[str, object], where: Where) -> Model:
    """Fill `model` from a table. Raises ConfigErrors with all of its faults.

    A `Secret` in the table fits a field of that type and becomes its text for any other. A relative path in a
    field of type `Path` starts from the folder of the file that says it. A null (YAML) is as if nothing had
    been said. A key that the model lacks is an error unless the model itself says otherwise with `extra`.
    """
    preparation = _Preparation(model, where)
    prepared = preparation.table(table, ())
    try:
        # A model that decides about extra keys itself keeps its way.
        return model.model_validate(prepared, extra=None if "extra" in model.model_config else "forbid")
    except ValidationError as error:
        # A default made from other fields is missing because one of those is wrong, and that is said too.
        faults = [f for f in error.errors(include_url=False) if f["type"] != "default_factory_not_called"]
    # Outside of the handler, so that no traceback shows the input beside the error.
    raise ConfigErrors(_translate(fault, model, prepared, where, preparation.revealed) for fault in faults)


@dataclass(slots=True)
class _Preparation:
    """A walk over one table: plain values for pydantic, and which texts must not be repeated."""

    model: type[BaseModel]
    where: Where
    revealed: set[str] = field(default_factory=set)

    def table(self, table: Mapping[str, object], key: Key) -> dict[str, object]:
        known = set(names_at(self.model, key))
        return {
            name: self.value(value, (*key, name))
            for name, value in table.items()
            if value is not None or (known and name not in known)
        }

    def value(self, value: object, key: Key) -> object:
        if isinstance(value, Mapping):
            return self.table(value, key)
        if isinstance(value, list | tuple):
            return [self.value(item, (*key, index)) for index, item in enumerate(value)]
        if isinstance(value, Secret):
            self.revealed.add(value.reveal())
            return value if Secret in annotations_at(self.model, key) else value.reveal()
        if isinstance(value, str):
            return self._text(value, key)
        return value

    def _text(self, text: str, key: Key) -> str:
        annotations = annotations_at(self.model, key)
        if Secret in annotations:
            self.revealed.add(text)
        if text and Path in annotations:
            return str(self.where.tree.layer((*self.where.key, *key)).folder / Path(text).expanduser())
        return text


def _translate(
    fault: ErrorDetails, model: type[BaseModel], table: Mapping[str, object], where: Where, revealed: set[str]
) -> ConfigError:
    """One of pydantic's errors as an operator wants to read it."""
    key = _key(fault, table)
    reason = _REASONS.get(fault["type"]) or _plain(fault["msg"])
    for text in filter(None, revealed):
        reason = reason.replace(text, MASK)
    hint, code = "", WRONG_VALUE
    if fault["type"] == "extra_forbidden":
        code = UNKNOWN_KEY
        names = names_at(model, key[:-1])
        hint = suggestion(str(key[-1]), [*names, *where.also] if len(key) == 1 else names)
    elif fault["type"] == "literal_error" and (
        near := nearest(str(fault["input"]), choices(annotations_at(model, key)))
    ):
        hint = f"Did you mean '{near}'?"
    place = (*where.key, *key)
    # What a table lacks that nobody wrote stands nowhere, not at some table above.
    origin = where.tree.origin(place) if where.tree.get(where.key) is not None else Origin("default")
    return origin.error(place, reason, hint, code=code)


def _key(fault: ErrorDetails, table: Mapping[str, object]) -> Key:
    """The key that an error is about: without what pydantic adds for members of unions and checks of keys."""
    key: Key = ()
    at: object = table
    for index, part in enumerate(fault["loc"]):
        if isinstance(at, Mapping) and part in at:
            at = at[str(part)]
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
        elif not (fault["type"] == "missing" and index == len(fault["loc"]) - 1):
            continue
        key = (*key, part)
    return key


def _plain(message: str) -> str:
    """'Input should be a valid integer' → 'should be a valid integer'."""
    for start in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(start)
    return message[:1].lower() + message[1:]

"""YAML of the 1.2 core schema: what is not plainly true, false, null or a number is text."""

import re
from dataclasses import dataclass, field

import yaml

from hub.config.errors import UNREADABLE, ConfigError, ConfigErrors
from hub.config.key import Key, format_key
from hub.config.tree import MAX_DEPTH, Lines

# YAML 1.2 §10.3.2, but no numbers that begin with a zero: to one reader 0755 is a file mode, to another 755.
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})|0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def parse_yaml(text: str, name: str) -> tuple[dict[str, object], Lines]:
    """The document's mapping and the lines of its keys; `name` is how errors call the file.

    Mapping keys are text as written. Anchors, aliases, tags, duplicate keys and a second document are
    refused. Raises ConfigErrors.
    """
    reader = _Reader(name)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(filter(None, (error.problem, error.context)))
        raise reader.fault(mark.line + 1 if mark else None, f"is not YAML: {reason}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"is not YAML: character {ord(text[error.position]):#x} is not allowed"
        raise reader.fault(line, reason) from None
    root = reader.root if reader.root is not None else {}
    if not isinstance(root, dict):
        raise reader.fault(1, "should be a mapping of tables at the top")
    return root, lambda: reader.lines


@dataclass(slots=True)
class _Open:
    """A mapping or a sequence that is being filled; `name` is the mapping key that waits for its value."""

    key: Key
    value: dict[str, object] | list[object]
    name: str | None = None


@dataclass(slots=True)
class _Reader:
    """Builds values from a flat stream of events, so that depth costs no stack."""

    file: str
    root: object = None
    lines: dict[Key, int] = field(default_factory=dict)
    open: list[_Open] = field(default_factory=list)
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.AliasEvent):
            raise self.fault(line, f"has an alias (*{event.anchor})", "Write the value out.")
        if isinstance(event, yaml.NodeEvent):
            self._refuse_marks(event, line)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self.fault(line, "has a second document", "A configuration is one document.")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin({}, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin([], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()

    def fault(self, line: int | None, reason: str, hint: str = "") -> ConfigErrors:
        key = self.open[-1].key if self.open else ()
        return ConfigErrors([ConfigError(self.file, line, format_key(key), reason, hint, UNREADABLE)])

    def _refuse_marks(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            raise self.fault(
                line, f"has an anchor (&{event.anchor})", "Write the value out where it is used."
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise self.fault(line, f"has a tag ({event.tag})", "Write the value without it.")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if _SURROGATE.search(event.value):  # an escape such as \ud800 in double quotes
            raise self.fault(line, "has half a surrogate pair", "Write the character itself.")
        here = self.open[-1] if self.open else None
        if here is None or not isinstance(here.value, dict) or here.name is not None:
            self._put(_value(event.value) if event.style is None else event.value, line)
            return
        key = (*here.key, event.value)
        if key in self.lines:
            raise self.fault(line, f"'{event.value}' is there twice, first on line {self.lines[key]}")
        here.name = event.value
        self.lines[key] = line

    def _begin(self, value: dict[str, object] | list[object], line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self.fault(line, f"has tables nested more than {MAX_DEPTH} deep")
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].name is None:
            raise self.fault(line, "has a mapping key that is not a plain name")
        self.open.append(_Open(self._put(value, line), value))

    def _put(self, value: object, line: int) -> Key:
        """Place a value where the innermost open collection expects it, and say at which key that is."""
        if not self.open:
            self.root = value
            return ()
        here = self.open[-1]
        if isinstance(here.value, list):
            key = (*here.key, len(here.value))
            self.lines[key] = line
            here.value.append(value)
            return key
        assert here.name is not None
        key = (*here.key, here.name)
        here.value[here.name] = value
        here.name = None
        return key


def _value(text: str) -> object:
    """A plain scalar under the core schema."""
    if _NULL.fullmatch(text):
        return None
    if match := _BOOL.fullmatch(text):
        return match[1] is not None
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _SPECIAL.fullmatch(text):
        return float(f"{match[1]}inf" if match[2] else "nan")
    return text

"""Where the keys of a TOML text stand: a scanner that finds lines and leaves the values to the parser."""

import bisect
import re
import tomllib

from hub.config.key import Key

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
# A multi-line text may end in up to two quotation marks of its own, before the three that close it.
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def locate(text: str) -> dict[Key, int]:
    """The line, from 1, of every key and list element of a text that is valid TOML."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    """A position in the text, moving on by one token at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Key, int] = {}
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._array_lengths: dict[Key, int] = {}

    def document(self) -> None:
        table: Key = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._assignment(table)
            self._skip(_BLANK)

    def _header(self) -> Key:
        line = self._line()
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        names = self._names()
        self.at += 2 if is_array else 1
        table: Key = ()
        for name in names[:-1]:
            table = self._newest((*table, name))
            self.lines.setdefault(table, line)
        table = (*table, names[-1])
        if not is_array:
            self.lines[table] = line
            return table
        self.lines.setdefault(table, line)
        self._array_lengths[table] = self._array_lengths.get(table, 0) + 1
        table = self._newest(table)
        self.lines[table] = line
        return table

    def _newest(self, table: Key) -> Key:
        """The last element where `table` is an array of tables: that is what a header below it extends."""
        length = self._array_lengths.get(table)
        return table if length is None else (*table, length - 1)

    def _assignment(self, table: Key) -> None:
        line = self._line()
        key = table
        for name in self._names():
            key = (*key, name)
            self.lines.setdefault(key, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(key)

    def _names(self) -> list[str]:
        """The parts of a dotted key, up to but not including what follows it."""
        names = []
        while True:
            self._skip(_SPACE)
            names.append(self._name())
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _name(self) -> str:
        start = self.text[self.at]
        if start == '"':
            return str(tomllib.loads(f"name = {self._take(_BASIC)}")["name"])
        if start == "'":
            return self._take(_LITERAL)[1:-1]
        return self._take(_BARE)

    def _value(self, key: Key) -> None:
        start = self.text[self.at]
        if start == "[":
            self._array(key)
        elif start == "{":
            self._inline_table(key)
        elif start == '"':
            self._take(_LONG_BASIC if self.text.startswith('"""', self.at) else _BASIC)
        elif start == "'":
            self._take(_LONG_LITERAL if self.text.startswith("'''", self.at) else _LITERAL)
        else:
            self._take(_SCALAR)

    def _array(self, key: Key) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.text.startswith("]", self.at):
                break
            self.lines[(*key, index)] = self._line()
            self._value((*key, index))
            index += 1
            self._skip_comma()
        self.at += 1

    def _inline_table(self, key: Key) -> None:
        self.at += 1
        while True:
            self._skip(_BLANK)
            if self.text.startswith("}", self.at):
                break
            self._assignment(key)
            self._skip_comma()
        self.at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self.text.startswith(",", self.at):
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match is not None  # both patterns match nothing as well
        self.at = match.end()

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML at line {self._line()}")
        self.at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect.bisect_left(self._breaks, self.at) + 1

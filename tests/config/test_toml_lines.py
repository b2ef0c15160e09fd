"""The locator finds every key of a TOML text where it was written, whatever the style."""

import json
import tomllib
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from hub.config.key import Key
from hub.config.toml_lines import locate

NAMES = st.text(st.sampled_from("aZ1_-. \"'#é=[]\\"), max_size=4)
TEXTS = st.text(st.sampled_from("a\"'\\\n#[]{},= \té"), max_size=12)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.dates()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Writer:
    """Writes TOML and notes on which line it put what."""

    draw: st.DrawFn
    text: str = ""
    lines: dict[Key, int] = field(default_factory=dict)

    def note(self, key: Key) -> None:
        self.lines.setdefault(key, self.text.count("\n") + 1)

    def blank(self) -> None:
        self.text += self.draw(st.sampled_from(["", " ", "\n", "\r\n", "\n# [x] = '\n", "\t\n\n"]))

    def name(self, name: str) -> None:
        styles = [json.dumps(name, ensure_ascii=False)]
        if name and name.isascii() and name.replace("-", "").replace("_", "").isalnum():
            styles.append(name)
        if "'" not in name:
            styles.append(f"'{name}'")
        self.text += self.draw(st.sampled_from(styles))

    def names(self, key: tuple[str, ...]) -> None:
        for index, name in enumerate(key):
            self.text += self.draw(st.sampled_from([".", " . ", "\t."])) if index else ""
            self.name(name)

    def string(self, text: str) -> None:
        escaped = json.dumps(text, ensure_ascii=False)
        styles = [escaped, f'""{escaped}""', f'"""\n{escaped[1:-1]}\\\n   """']
        if "'" not in text and "\n" not in text:
            styles.append(f"'{text}'")
        if "'''" not in text and not text.endswith("'") and "\r" not in text:
            styles.append(f"'''\n{text}'''")
        if '"""' not in text and not text.endswith('"') and "\\" not in text:
            styles += [f'"""\n{text}"""', f'"""\n{text}\\""""', f'"""\n{text}""""']
        self.text += self.draw(st.sampled_from(styles))

    def value(self, value: object, key: Key) -> None:
        if isinstance(value, bool):
            self.text += "true" if value else "false"
        elif isinstance(value, str):
            self.string(value)
        elif isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                self.blank()
                self.note((*key, index))
                self.value(item, (*key, index))
                self.blank()
                if index < len(value) - 1 or self.draw(st.booleans()):
                    self.text += ","
            self.blank()
            self.text += "]"
        elif isinstance(value, dict):
            self.text += "{"
            for index, (name, item) in enumerate(value.items()):
                self.text += ", " if index else " "
                self.note((*key, name))
                self.name(name)
                self.text += " ="
                self.value(item, (*key, name))
            self.text += " }"
        else:
            self.text += str(value)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Key, int]]:
    writer = Writer(draw)
    for number in range(draw(st.integers(0, 4))):
        writer.blank()
        writer.text += "\n"
        path = (f"t{number}", *draw(st.lists(NAMES, max_size=2)))
        is_array = draw(st.booleans())
        for element in range(draw(st.integers(1, 3)) if is_array else 1):
            for length in range(1, len(path)):
                writer.note(path[:length])
            writer.note(path)
            table: Key = (*path, element) if is_array else path
            writer.note(table)
            writer.text += "[[" if is_array else "[ "
            writer.names(path)
            writer.text += "]]" if is_array else "\t]"
            writer.text += draw(st.sampled_from(["\n", " # [[no]]\n", "\r\n"]))
            keys = draw(
                st.lists(st.lists(NAMES, min_size=1, max_size=2), max_size=3, unique_by=lambda k: k[0])
            )
            for key in keys:
                writer.blank()
                for length in range(1, len(key) + 1):
                    writer.note((*table, *key[:length]))
                writer.names(tuple(key))
                writer.text += draw(st.sampled_from(["=", " = ", "\t=\t"]))
                writer.value(draw(VALUES), (*table, *key))
                writer.text += draw(st.sampled_from(["\n", " \n", " # a = 1\n"]))
    return writer.text, writer.lines


def _keys(value: object, key: Key = ()) -> set[Key]:
    found = {key} if key else set()
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in children:
        found |= _keys(child, (*key, name))
    return found


@given(documents())
def test_every_key_is_found_on_the_line_where_it_was_written(document: tuple[str, dict[Key, int]]) -> None:
    text, lines = document
    assert locate(text) == lines
    assert _keys(tomllib.loads(text)) == set(lines)


def test_tables_below_an_array_of_tables_belong_to_its_last_element() -> None:
    text = "[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2\n[[a.c]]\nz = 3\n"
    assert _keys(tomllib.loads(text)) == set(locate(text))
    assert locate(text)[("a", 1, "b", "y")] == 5
    assert locate(text)[("a", 1, "c", 0, "z")] == 7


def test_a_header_counts_for_more_than_a_table_that_was_only_implied() -> None:
    assert locate("[a.b]\nx = 1\n\n[a]\ny = 1\n")[("a",)] == 4


def test_dates_with_a_space_and_odd_numbers_are_passed_over() -> None:
    assert locate("a = 1979-05-27 07:32:00Z # x\nb = [0xff, -inf,\n+1e3]\n")[("b", 2)] == 3

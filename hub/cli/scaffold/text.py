"""Python source made from signatures, laid out as a formatter would leave it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

STANDARD: Final = {
    "AsyncIterator": "collections.abc",
    "Awaitable": "collections.abc",
    "Callable": "collections.abc",
    "Iterable": "collections.abc",
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
    "Path": "pathlib",
    "Self": "typing",
}
"""Names of the standard library that hooks and services use, and where they are from."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function of the hub's as its source has it. doc: its docstring, dedented, without its example."""

    name: str
    is_async: bool
    arguments: tuple[str, ...]
    returns: str
    doc: str

    def define(self, body: str, width: int, indent: int = 0) -> str:
        """The function with its docstring and a body, both of which may be empty."""
        head = f"{'async ' if self.is_async else ''}def {self.name}("
        tail = f") -> {self.returns}:"
        pad = " " * indent
        text = wrapped(pad + head, self.arguments, tail, width, pad)
        end = "\n" if "\n" in self.doc else ""
        raw = "r" if "\\" in self.doc else ""
        doc = f'{raw}"""{self.doc}{end}"""'
        inside = textwrap.indent(f"{doc}\n{body}".rstrip(), pad + "    ", lambda line: bool(line.strip()))
        return f"{text}\n{inside}\n"

    @property
    def names(self) -> set[str]:
        """What its annotations and defaults are made of."""
        return set(re.findall(r"[A-Za-z_]\w*", " ".join((*self.arguments, self.returns))))


def signatures(source: object) -> list[Signature]:
    """Of a function, or of the public methods of a class, in order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(source))).body[0]  # type: ignore[arg-type]
    nodes = tree.body if isinstance(tree, ast.ClassDef) else [tree]
    return [
        _signature(node)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    doc = re.split(r"\n\n {4}", ast.get_docstring(node) or "")[0]
    returns = _quoted(ast.unparse(node.returns)) if node.returns else "None"
    is_async = isinstance(node, ast.AsyncFunctionDef)
    return Signature(node.name, is_async, tuple(_arguments(node.args)), returns, doc)


def _arguments(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    first = len(plain) - len(arguments.defaults)
    found = [
        _argument(each, arguments.defaults[number - first] if number >= first else None)
        for number, each in enumerate(plain)
    ]
    if arguments.kwonlyargs:
        found.append("*")
        found += [
            _argument(each, default)
            for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ]
    return found


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg if argument.annotation is None else _quoted(ast.unparse(argument))
    return text if default is None else f"{text} = {_quoted(ast.unparse(default))}"


def _quoted(source: str) -> str:
    return re.sub(r"'([^'\"]*)'", r'"\1"', source)


def wrapped(head: str, items: Sequence[str], tail: str, width: int, pad: str = "") -> str:
    """`head`, the items, `tail`: on one line, with the items on a line of their own, or with one on each."""
    inline = ", ".join(items)
    if len(head + inline + tail) <= width:
        return head + inline + tail
    if len(pad) + 4 + len(inline) <= width and not head.lstrip().startswith("from "):
        return f"{head}\n{pad}    {inline}\n{pad}{tail}"
    return "\n".join((head, *(f"{pad}    {item}," for item in items), pad + tail))


def imports(names: Iterable[str], public: Iterable[str], width: int) -> str:
    """The statements that bring the names in. public: what `hub` offers; others come from elsewhere.

    `pydantic` ones may be given as they are: `pydantic.Field`.
    """
    wanted = set(names)
    standard: dict[str, set[str]] = {}
    for name in wanted & STANDARD.keys():
        standard.setdefault(STANDARD[name], set()).add(name)
    others: dict[str, set[str]] = {"hub": wanted & set(public)}
    for dotted in (name for name in wanted if "." in name):
        module, _, name = dotted.rpartition(".")
        others.setdefault(module, set()).add(name)
    blocks = [
        "\n".join(_import(module, found, width) for module, found in sorted(block.items()) if found)
        for block in (standard, others)
    ]
    return "\n\n".join(filter(None, blocks))


def _import(module: str, names: Iterable[str], width: int) -> str:
    inline = f"from {module} import {', '.join(sorted(names, key=_rank))}"
    if len(inline) <= width:
        return inline
    return wrapped(f"from {module} import (", sorted(names, key=_rank), ")", width)


def _rank(name: str) -> tuple[int, str]:
    """Constants, classes, functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name

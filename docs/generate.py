"""Write docs/hooks/ from the hookspecs and their docstrings; with --check, say what is out of date.

python docs/generate.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from hub.hooks.areas import AREAS, SPECS
from hub.hooks.markers import SpecOptions

HERE = Path(__file__).parent
ROOT = HERE.parent
FEATURES = (
    "Mail", "Checks", "Mail authentication", "Sending", "TLS", "DNS", "IMAP", "POP3", "Authentication",
    "Plugins", "Store", "Observing", "Alerting", "Operation", "Configuration", "Accounts", "Security", "Web",
)  # fmt: skip
"""The areas of the README's list, in its order."""
BEGIN, END = "<!-- proven: begin -->\n", "<!-- proven: end -->\n"


def pages() -> dict[Path, str]:
    """Path → text of every generated page."""
    found = {HERE / "hooks" / "README.md": index()}
    for area in AREAS:
        name = area.__name__.rpartition(".")[2]
        specs = [spec for spec in SPECS.values() if spec.__module__ == area.__name__]
        text = f"# {name}\n\n{inspect.getdoc(area)}\n\n" + "\n".join(map(hook, specs))
        found[HERE / "hooks" / f"{name}.md"] = text
    found[ROOT / "README.md"] = readme()
    return found


def readme() -> str:
    """The README with its list of features brought up to date."""
    text = (ROOT / "README.md").read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    areas: dict[str, list[str]] = {area: [] for area in FEATURES}
    names = {area.lower(): area for area in FEATURES}
    for claim in sorted(proven()):
        area, _, what = claim.partition(": ")
        if area.lower() not in names:
            raise SystemExit(f"docs/generate.py: {claim!r} is of no area; there are: {', '.join(FEATURES)}")
        areas[names[area.lower()]].append(what)
    lines = [
        f"\n**{area}**\n\n" + "".join(f"- {claim}\n" for claim in claims)
        for area, claims in areas.items()
        if claims
    ]
    return f"{before}{BEGIN}{''.join(lines)}\n{END}{after}"


def proven() -> set[str]:
    """The texts of all `proves` marks."""
    found = set()
    for folder, pattern in (("tests", "test_*"), ("plugins", "test_*"), ("hub/testing/contracts", "*")):
        for path in (ROOT / folder).rglob(f"{pattern}.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found |= {claim for mark in node.decorator_list if (claim := claimed(mark))}
    return found


def claimed(mark: ast.expr) -> str | None:
    """The text of one `@pytest.mark.proves("…")`."""
    match mark:
        case ast.Call(func=ast.Attribute(attr="proves"), args=[ast.Constant(value=str(text))]):
            return text
    return None


def index() -> str:
    """One line per hook, by area."""
    lines = [
        "# Hooks",
        "",
        "Generated from the hookspecs. `hub hooks NAME` prints the same and who runs.",
        "",
    ]
    for area in AREAS:
        name = area.__name__.rpartition(".")[2]
        lines += [f"## [{name}]({name}.md)", "", f"{inspect.getdoc(area)}", ""]
        for spec in SPECS.values():
            if spec.__module__ == area.__name__:
                summary = (inspect.getdoc(spec) or "").partition("\n")[0]
                lines.append(f"- [`{spec.__name__}`]({name}.md#{spec.__name__}): {summary}")
        lines.append("")
    return "\n".join(lines)


def hook(spec: Callable[..., object]) -> str:
    """The manual of one hook."""
    options: SpecOptions = vars(spec)["hub_spec_options"]
    signature = inspect.signature(spec)
    arguments = ", ".join(f"{each.name}: {each.annotation}" for each in signature.parameters.values())
    facts = [f"{options.mode.name}: {options.mode.value}", f"deadline {options.timeout:g} s"]
    if options.mode.name not in ("NOTIFY", "OWN"):
        facts.insert(1, f"if it fails: {options.on_failure.name}, {options.on_failure.value}")
    text = textwrap.dedent(inspect.getdoc(spec) or "")
    call = f"{spec.__name__}({arguments}) -> {signature.return_annotation}"
    return f"## {spec.__name__}\n\n```python\n{call}\n```\n\n*{'; '.join(facts)}*\n\n{text}\n"


def main() -> int:
    """Exit code 1 if --check finds a difference."""
    wanted = pages()
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    ] + [path for path in (HERE / "hooks").glob("*.md") if path not in wanted]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path}: out of date; run python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Build the site: `python -m docs.site FOLDER`; every page of docs/ and the generated reference, by Sphinx.

The pages are laid out as in the repository, so that a link that works there works on the site.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

from docs.reference import ROOT, pages
from hub.version import __version__

COPIED: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/algorithms/*.md",
    "docs/adr/*.md",
    "docs/benchmarks/*",
)
CHAPTERS: Final = {
    "Use it": ("docs/operating", "docs/reference/settings", "docs/reference/plugins"),
    "Write a plugin": ("docs/authoring", "docs/mail-flow", "docs/reference/hooks"),
    "How it is made": (
        "docs/design",
        "docs/algorithms/spf",
        "docs/algorithms/dkim",
        "docs/algorithms/dmarc",
        "docs/algorithms/arc",
        "docs/benchmarks/README",
        "CONTRIBUTING",
        "CHANGELOG",
    ),
}
REPLACED: Final = {
    "hooks/README.md": "reference/hooks.md",
    "](docs/adr/)": "](docs/design.md)",
    "](docs/benchmarks/)": "](docs/benchmarks/README.md)",
    "](benchmarks/)": "](benchmarks/README.md)",
}
"""Links to folders and to pages that the reference stands in for."""
SETTINGS: Final = {
    "project": "Mail hub",
    "copyright": "the authors of the mail hub",
    "version": __version__,
    "release": __version__,
    "root_doc": "README",
    "extensions": ["myst_parser"],
    "myst_heading_anchors": 4,
    # Links to folders and to source files, which the site has no pages for.
    "suppress_warnings": ["myst.xref_missing", "toc.not_included", "myst.header"],
    "html_theme": "furo",
    "html_title": f"Mail hub {__version__}",
    "html_copy_source": False,
}


def build(target: Path) -> int:
    """Write the site into a folder, made anew; the number of warnings, which are printed."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "source")
        lay_out(source)
        shutil.rmtree(target, ignore_errors=True)
        app = Sphinx(
            source, None, target, Path(name, "doctrees"), "html", confoverrides=SETTINGS, status=None
        )
        app.build()
        shutil.copyfile(target / "README.html", target / "index.html")
        return int(app._warncount)


def lay_out(source: Path) -> None:
    """All that Sphinx reads."""
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8")
            for link, other in REPLACED.items():
                text = text.replace(link, other)
            copy.write_text(text, "utf-8")
    for path, text in pages().items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text, "utf-8")
    with (source / "README.md").open("a", encoding="utf-8") as front:
        for caption, chapters in CHAPTERS.items():
            listed = "\n".join(chapters)
            front.write(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n")
    with (source / "docs" / "design.md").open("a", encoding="utf-8") as design:
        design.write("\n```{toctree}\n:hidden:\n:glob:\n\nadr/*\n```\n")


def main() -> int:
    """Exit code 1 if a page has a fault."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs")
    warnings = build(target)
    print(f"{target / 'index.html'}: open it in a browser, or let any web server serve the folder")
    return 1 if warnings else 0


if __name__ == "__main__":
    sys.exit(main())

"""The pages in a browser: a plugin is found, by day and by night, on a phone, and without a script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.chromium import AXE, Browser, running_chromium
from tests.plugin_registry.making import ROOT, make_registry

WIDE, NARROW = 1200, 360


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a registry of some of our plugins."""
    names = ("clamav", "greylist", "storage-sql")
    folder = tmp_path_factory.mktemp("pages")
    return make_registry(folder, *(ROOT / "plugins" / name for name in names)).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


def shown(browser: Browser) -> object:
    """The plugins that can be seen in the list."""
    return browser.run(
        "[...document.querySelectorAll('.plugins > li')].filter(e => e.offsetParent).map(e => "
        "e.querySelector('h3 a').textContent)"
    )


def test_a_plugin_is_found_by_its_words_and_its_page_is_one_click_away(
    browser: Browser, registry: str
) -> None:
    browser.look(WIDE)
    browser.open(f"{registry}/index.html")
    assert shown(browser) == ["clamav", "greylist", "storage-sql"]
    browser.run("words.value = 'unknown SMTP_rcpt'; words.dispatchEvent(new Event('input'))")
    assert shown(browser) == ["greylist"]
    assert browser.run("document.getElementById('found').textContent") == "1 plugin"
    link = browser.run("[...document.querySelectorAll('.plugins h3 a')].find(e => e.offsetParent).href")
    browser.open(str(link))
    assert browser.run("document.querySelector('h1').innerText") == "greylist 0.1.0"
    browser.open(f"{registry}/index.html?q=virus")
    assert shown(browser) == ["clamav"]


def test_without_scripts_there_is_no_search_that_does_nothing_and_the_lists_are_there(
    browser: Browser, registry: str
) -> None:
    browser.scripts(on=False)
    try:
        browser.open(f"{registry}/index.html")
    finally:
        browser.scripts(on=True)  # else we could not look either
    assert shown(browser) == ["clamav", "greylist", "storage-sql"]
    assert browser.run("document.getElementById('search').offsetParent") is None
    link = browser.run("[...document.querySelectorAll('nav a')].find(e => e.textContent == 'smtp_rcpt').href")
    browser.open(str(link))
    assert shown(browser) == ["greylist"]


@pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not there: tests/peers/install.sh fetches it, with npm"
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", "plugins/greylist/index.html", "hooks/smtp_rcpt/index.html"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_a_phone(
    browser: Browser, registry: str, page: str, dark: bool
) -> None:
    for width in (WIDE, NARROW):
        browser.look(width, dark=dark)
        browser.open(f"{registry}/{page}")
        assert browser.axe() == []
        assert browser.run("document.scrollingElement.scrollWidth") == width


def test_dark_is_dark(browser: Browser, registry: str) -> None:
    colours = set()
    for dark in (False, True):
        browser.look(WIDE, dark=dark)
        browser.open(f"{registry}/index.html")
        colours.add(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(251, 250, 248)", "rgb(21, 24, 27)"}

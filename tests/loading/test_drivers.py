"""Exactly one driver per service, chosen by name."""

import sys
from pathlib import Path
from typing import cast

import pytest
from stevedore.driver import DriverManager
from stevedore.extension import ExtensionManager

from hub.config.tables.hub import ServicesTable
from hub.loading.catalogue import scan
from hub.loading.drivers import SERVICES, chosen, driver_class
from hub.loading.errors import LoadErrors
from hub.loading.scope import Scope
from hub.testing.clock import settle

from .conftest import MEMORY, Site

OTHER = """
[project]
name = "hub-plugin-{name}"
version = "1"
[project.entry-points."hub.plugins"]
{name} = "hub_plugin_{name}"
[project.entry-points."hub.{service}"]
{name} = "hub_plugin_{name}:Driver"
"""
DRIVER = """
class Driver:
    def __init__(self, plugin): self.plugin, self.is_open = plugin, False
    async def __aenter__(self):
        {enter}
        self.is_open = True
        return self
    async def __aexit__(self, *exc): self.is_open = False
    def __bool__(self): return False
"""


def driver(site: Site, name: str, service: str, enter: str = "pass") -> Path:
    root = site.trees / name
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_text(OTHER.format(name=name, service=service))
    (root / f"hub_plugin_{name}.py").write_text(DRIVER.format(enter=enter))
    return root


def test_every_service_of_the_config_is_one_that_is_filled() -> None:
    services = ServicesTable(search="search-fts")
    assert set(chosen(services)) == set(ServicesTable.model_fields) == set(SERVICES)
    assert set(SERVICES) - set(chosen(ServicesTable())) == {"search"}  # which need not be filled


async def test_the_chosen_drivers_are_open_before_any_plugin_starts(site: Site) -> None:
    site.write(
        "aaa.py",
        """
        from hub import hookimpl
        @hookimpl
        async def plugin_start(plugin):
            await plugin.kv.set("started", b"yes")
        """,
    )
    loader = await site.start()
    services = loader.services
    names = [type(each).__name__ for each in (services.storage, services.blobs, services.directory)]
    assert names == ["MemoryStorage", "MemoryBlobs", "MemoryDirectory"]
    assert services.clock is site.clock
    assert await services.storage.kv("aaa").get("started") == b"yes"
    await loader.close()
    assert not services.storage.is_open  # type: ignore[attr-defined]


async def test_an_unknown_driver_names_what_there_is(site: Site) -> None:
    driver(site, "elsewhere", "storage")
    site.services = site.services.replace('storage = "memory"', 'storage = "memroy"')
    with pytest.raises(LoadErrors) as caught:
        await site.start()
    assert str(caught.value) == "hub.toml:7: there is no driver 'memroy' for storage. Did you mean 'memory'?"
    site.services = site.services.replace('"memroy"', '"postgres"')
    with pytest.raises(LoadErrors, match="It can be: elsewhere, memory"):
        await site.start()


async def test_a_driver_that_is_false_is_still_the_driver(site: Site) -> None:
    driver(site, "empty", "directory")
    site.services = site.services.replace('directory = "memory"', 'directory = "empty"')
    loader = await site.start()
    assert loader.services.directory.is_open  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DRIVER.format(enter="raise OSError('no disk')"), "cannot be opened: OSError: no disk"),
        (DRIVER.format(enter="raise SystemExit(1)"), "cannot be opened: SystemExit: 1"),
        ("Driver = 3", "is no class of an asynchronous context manager"),
        ("class Driver: ...", "is no class of an asynchronous context manager"),
        ("", "cannot be loaded: AttributeError"),
    ],
)
async def test_a_driver_that_does_not_open_ends_the_start_and_closes_the_others(
    site: Site, text: str, reason: str
) -> None:
    root = driver(site, "broken", "directory")
    (root / "hub_plugin_broken.py").write_text(text)
    site.services = site.services.replace('directory = "memory"', 'directory = "broken"')
    loader = site.loader()
    with pytest.raises(LoadErrors) as caught:
        await loader.start()
    assert str(caught.value).startswith("broken: its driver for directory")
    assert reason in str(caught.value)
    assert "hub_plugin_broken" not in sys.modules


@pytest.mark.parametrize("listed", ["[]", '["other", "memory"]', '["memory", "other"]'])
async def test_the_directory_swaps_live_there_and_back(site: Site, listed: str) -> None:
    driver(site, "other", "directory")
    site.plugins = listed
    loader = await site.start()
    pin = loader.generations.pin()
    old = loader.services.directory
    site.services = site.services.replace('directory = "memory"', 'directory = "other"')
    report = await loader.reload(site.config())
    assert report.ok, report.errors
    assert report.restart_needed == ()
    assert loader.services.directory is not old
    assert loader.services.directory.is_open  # type: ignore[attr-defined]
    pin.release()
    await settle()
    # The plugin of the old one fills storage and blobs too, and so stays as it is.
    assert old.is_open  # type: ignore[attr-defined]
    site.services = site.services.replace('directory = "other"', 'directory = "memory"')
    assert (await loader.reload(site.config())).ok
    assert loader.services.directory is old


async def test_a_directory_whose_code_changes_is_replaced(site: Site) -> None:
    root = driver(site, "other", "directory")
    site.services = site.services.replace('directory = "memory"', 'directory = "other"')
    loader = await site.start()
    old = loader.services.directory
    (root / "hub_plugin_other.py").write_text("# new\n" + DRIVER.format(enter="pass"))
    report = await loader.reload()
    assert report.changed["other"] == "replaced"
    await settle()
    assert loader.services.directory is not old
    assert not old.is_open  # type: ignore[attr-defined]
    assert loader.services.directory.is_open  # type: ignore[attr-defined]
    (root / "hub_plugin_other.py").write_text(DRIVER.format(enter="raise OSError"))
    new = loader.services.directory
    assert not (await loader.reload()).ok
    assert loader.services.directory is new
    assert new.is_open  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", ["storage", "blobs"])
async def test_another_storage_takes_effect_with_new_workers(site: Site, service: str) -> None:
    driver(site, "other", service)
    loader = await site.start()
    before = getattr(loader.services, service)
    site.services = site.services.replace(f'{service} = "memory"', f'{service} = "other"')
    report = await loader.reload(site.config())
    assert report.ok, report.errors
    assert report.restart_needed == (service,)
    assert getattr(loader.services, service) is before
    assert before.is_open


async def test_so_does_new_code_of_the_storage_while_the_rest_goes_live(site: Site) -> None:
    (site.trees / "memory").unlink()
    copy = site.trees / "memory"
    copy.mkdir()
    for name in ("pyproject.toml", "hub_plugin_memory.py"):
        (copy / name).write_text((MEMORY / name).read_text())
    site.answering("deny.py", "one")
    loader = await site.start()
    scope = cast(Scope, loader.generations.current.plugins["memory"])
    (copy / "hub_plugin_memory.py").write_text("raise RuntimeError")
    site.answering("deny.py", "two")
    report = await loader.reload()
    assert report.ok, report.errors
    assert report.changed == {"memory": "kept", "deny": "replaced"}
    assert set(report.restart_needed) == {"storage", "blobs"}
    assert loader.generations.current.plugins["memory"] is scope


async def test_stevedore_s_caches_are_not_used(site: Site) -> None:
    await site.start()
    source = scan([], [MEMORY.parent], []).sources["memory"]
    assert driver_class(source, "storage").__name__ == "MemoryStorage"
    assert "hub.storage" not in ExtensionManager.ENTRY_POINT_CACHE
    with pytest.raises(LoadErrors, match="no driver for search"):
        driver_class(source, "search")


def test_stevedore_itself_gives_the_class_in_place_of_an_object_that_is_false() -> None:
    from importlib.metadata import EntryPoint, EntryPoints

    class Chooser(DriverManager[list[int]]):
        def list_entry_points(self) -> EntryPoints:
            return EntryPoints([EntryPoint("empty", "builtins:list", "test")])

    assert Chooser("test", "empty", invoke_on_load=True).driver is list

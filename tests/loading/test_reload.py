"""A reload is a transaction: all of it, or nothing and a sentence why."""

import asyncio
import sys
from pathlib import Path

import pytest

from hub.dispatch.failure import HookFailed
from hub.hooks.smtp import smtp_rcpt
from hub.loading import disk
from hub.loading.errors import LoadErrors
from hub.mail.verdict import Reject
from hub.testing.clock import settle

from .conftest import Site, ask, asked


async def test_a_saved_plugin_answers_after_the_reload(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    assert await asked(loader.generations) == Reject("5.1.1", "one")
    site.answering("deny.py", "two")
    report = await loader.reload()
    assert report.ok
    assert report.changed == {"memory": "kept", "deny": "replaced"}
    assert report.generation == 2
    assert await asked(loader.generations) == Reject("5.1.1", "two")


async def test_a_transaction_keeps_the_generation_that_it_began_with(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    pin = loader.generations.pin()
    old = loader.generations.current.plugins["deny"]
    site.answering("deny.py", "two")
    await loader.reload()
    assert await ask(pin.first(smtp_rcpt)) == Reject("5.1.1", "one")
    assert await asked(loader.generations) == Reject("5.1.1", "two")
    assert not old.closed  # type: ignore[attr-defined]
    pin.release()
    await settle()
    assert old.closed  # type: ignore[attr-defined]


async def test_a_transaction_that_outlives_the_grace_period_fails_at_its_next_hook(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    pin = loader.generations.pin()
    old = loader.generations.current.plugins["deny"]
    plan = pin.first(smtp_rcpt)
    site.answering("deny.py", "two")
    await loader.reload()
    await site.clock.turn(29)
    assert not old.closed  # type: ignore[attr-defined]
    await site.clock.turn(2)
    assert old.closed  # type: ignore[attr-defined]
    with pytest.raises(HookFailed, match="grace period"):
        pin.first(smtp_rcpt)
    with pytest.raises(HookFailed, match="replaced by a reload"):  # even a plan taken before never enters it
        await ask(plan)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def (", r"deny\.py:1: SyntaxError: .*Near: def \("),
        ("\nimport not_there.at_all\n", r"deny\.py:2: ModuleNotFoundError: .*pip install not_there"),
        ("from hub import Rejct", r"deny\.py:1: ImportError: .*Did you mean 'Reject'\?"),
        ("import sys\nsys.exit(3)", r"deny\.py:2: SystemExit: 3\. A plugin must not end the process"),
        ("raise KeyboardInterrupt", r"deny\.py:1: KeyboardInterrupt"),
        ("1 / 0", r"deny\.py:1: ZeroDivisionError: division by zero"),
        (
            "from hub import hookimpl\n@hookimpl\nasync def plugin_start():\n    raise ValueError('no')",
            r"deny\.py:4: plugin_start failed: ValueError: no",
        ),
        (
            "from hub import hookimpl\n@hookimpl\ndef plugin_handover(plugin, old):\n    old.nothing",
            r"deny\.py:4: plugin_handover failed: AttributeError",
        ),
        (
            "from pydantic import BaseModel\nclass Settings(BaseModel):\n    limit: int",
            r"deny: plugins\.deny\.limit: is required",
        ),
    ],
)
async def test_a_broken_file_changes_nothing_and_is_reported(site: Site, text: str, error: str) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    module = sys.modules["hub_plugin_deny"]
    before = loader.generations.current
    site.write("deny.py", text)
    report = await loader.reload()
    assert report.generation == 1
    assert len(report.errors) == 1
    with pytest.raises(LoadErrors, match=error):
        raise LoadErrors(report.errors)
    assert loader.generations.current is before
    assert sys.modules["hub_plugin_deny"] is module
    assert await asked(loader.generations) == Reject("5.1.1", "one")


async def test_of_many_changes_one_broken_one_undoes_all(site: Site) -> None:
    site.answering("aaa.py", "one")
    loader = await site.start()
    site.answering("aaa.py", "two")
    site.write("zzz.py", "def (")
    assert not (await loader.reload()).ok
    assert await asked(loader.generations) == Reject("5.1.1", "one")
    (site.folder / "zzz.py").unlink()
    assert (await loader.reload()).changed["aaa"] == "replaced"
    assert await asked(loader.generations) == Reject("5.1.1", "two")


async def test_what_was_opened_before_the_failure_is_closed_again(site: Site) -> None:
    loader = await site.start()
    opened = """
        import contextlib
        from hub import hookimpl

        LOG = []

        @hookimpl
        async def plugin_start(plugin):
            plugin.stash  # noqa
            await plugin.enter(resource(plugin.data_dir / "first"))
            await plugin.enter(resource(plugin.data_dir / "second"))

        @contextlib.contextmanager
        def resource(file):
            file.write_text("open")
            yield
            order = file.parent / "order"
            order.write_text((order.read_text() if order.exists() else "") + file.name + " ")
        """
    site.write("aaa.py", opened)
    site.write("zzz.py", "from hub import hookimpl\n@hookimpl\nasync def plugin_start(plugin):\n    1 / 0")
    assert not (await loader.reload()).ok
    assert (site.root / "data/plugins/aaa/order").read_text() == "second first "


async def test_who_did_not_change_keeps_its_scope_pool_and_breaker(site: Site) -> None:
    site.answering("aaa.py", "one")
    site.write("zzz.py", "")
    loader = await site.start()
    before = loader.generations.current.plugins["aaa"]
    site.write("zzz.py", "# new")
    report = await loader.reload()
    assert report.changed == {"memory": "kept", "aaa": "kept", "zzz": "replaced"}
    assert loader.generations.current.plugins["aaa"] is before
    assert not before.closed  # type: ignore[attr-defined]


async def test_new_settings_make_a_new_scope_with_the_same_code(site: Site) -> None:
    site.write("limit.py", "from pydantic import BaseModel\nclass Settings(BaseModel):\n    n: int = 1\n")
    loader = await site.start()
    module = sys.modules["hub_plugin_limit"]
    before = loader.generations.current.plugins["limit"]
    site.toml = "[plugins.limit]\nn = 2"
    report = await loader.reload(site.config())
    assert report.changed["limit"] == "replaced"
    assert sys.modules["hub_plugin_limit"] is module
    after = loader.generations.current.plugins["limit"]
    assert (before.settings(module.Settings).n, after.settings(module.Settings).n) == (1, 2)


async def test_settings_that_do_not_fit_are_refused_with_their_line(site: Site) -> None:
    site.write("limit.py", "from pydantic import BaseModel\nclass Settings(BaseModel):\n    limit: int = 1\n")
    loader = await site.start()
    site.toml = "[plugins.limit]\nlimti = 2"
    report = await loader.reload(site.config())
    line = (site.root / "hub.toml").read_text().splitlines().index("limti = 2") + 1
    assert (
        str(report.errors[0]) == f"hub.toml:{line}: plugins.limit.limti: unknown key. Did you mean 'limit'?"
    )
    assert loader.config.plugin_table("limit") == {}


async def test_a_table_for_no_plugin_or_for_one_without_settings_is_an_error(site: Site) -> None:
    site.write("deny.py", "")
    loader = await site.start()
    site.toml = "[plugins.dney]\nx = 1"
    assert "there is no plugin 'dney'. Did you mean 'deny'?" in str(
        (await loader.reload(site.config())).errors[0]
    )
    site.toml = "[plugins.deny]\nx = 1"
    assert "it has no model named Settings" in str((await loader.reload(site.config())).errors[0])


async def test_nothing_changed_means_no_new_generation(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    before = loader.generations.current
    (site.folder / "deny.py").touch()
    report = await loader.reload()
    assert report.ok
    assert set(report.changed.values()) == {"kept"}
    assert loader.generations.current is before


async def test_what_was_tried_is_not_tried_again_until_it_changes(site: Site) -> None:
    loader = await site.start()
    assert await loader.reload_if_changed() is None
    site.write("deny.py", "def (")
    first = await loader.reload_if_changed()
    assert first is not None
    assert not first.ok
    assert await loader.reload_if_changed() is None
    site.write("deny.py", "")
    second = await loader.reload_if_changed()
    assert second is not None
    assert second.ok


@pytest.mark.proves("plugins: state crosses from one version to the next")
async def test_state_is_handed_over_and_found_by_the_key_s_name(site: Site) -> None:
    extra = """
        SEEN = StashKey()

        @hookimpl
        async def plugin_start(plugin):
            plugin.stash[SEEN] = ["fresh"]

        @hookimpl
        def plugin_handover(plugin, old):
            plugin.stash[SEEN] = [*old.stash[SEEN], "handed over"]
        """
    site.answering("deny.py", "one", extra)
    loader = await site.start()
    old = sys.modules["hub_plugin_deny"].SEEN
    assert old.name == "deny.SEEN"
    site.answering("deny.py", "two", extra)
    assert (await loader.reload()).ok
    new = sys.modules["hub_plugin_deny"].SEEN
    assert new is not old
    assert loader.generations.current.plugins["deny"].stash[new] == ["fresh", "handed over"]


async def test_rollback_serves_the_plugins_of_before_and_a_second_one_those_of_after(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    site.answering("deny.py", "two")
    site.answering("also.py", "never asked")
    await loader.reload()
    back = await loader.rollback()
    assert back.changed == {"memory": "kept", "deny": "replaced", "also": "removed"}
    assert back.generation == 3
    assert await asked(loader.generations) == Reject("5.1.1", "one")
    assert await loader.reload_if_changed() is None  # nobody has saved anything since
    forth = await loader.rollback()
    assert forth.changed["also"] == "added"
    assert await asked(loader.generations) == Reject("5.1.1", "never asked")


async def test_without_a_generation_before_there_is_no_rollback(site: Site) -> None:
    loader = site.loader()
    await loader.start()
    report = await loader.rollback()
    assert not report.ok
    assert loader.generations.current.number == 1


async def test_a_removed_plugin_is_gone_from_the_modules_too(site: Site) -> None:
    file = site.answering("deny.py", "one")
    loader = await site.start()
    old = loader.generations.current.plugins["deny"]
    file.unlink()
    assert (await loader.reload()).changed["deny"] == "removed"
    assert await asked(loader.generations) is None
    assert "hub_plugin_deny" not in sys.modules
    await settle()
    assert old.closed  # type: ignore[attr-defined]


EXCLUSIVE = """
    import os
    from hub import hookimpl
    exclusive = True
    class Lock:
        def __init__(self, path): self.path = path
        def __enter__(self): os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
        def __exit__(self, *exc): os.unlink(self.path)
    @hookimpl
    async def plugin_start(plugin):
        await plugin.enter(Lock(plugin.data_dir / "lock"))
        {then}
    """


async def test_a_plugin_that_cannot_exist_twice_is_stopped_first(site: Site) -> None:
    site.write("lock.py", EXCLUSIVE.format(then="pass"))
    loader = await site.start()
    first = loader.generations.current.plugins["lock"]
    site.write("lock.py", EXCLUSIVE.format(then="plugin.log"))
    report = await loader.reload()
    assert report.ok, report.errors
    assert first.closed  # type: ignore[attr-defined]
    assert (site.root / "data/plugins/lock/lock").exists()


@pytest.mark.proves(
    "plugins: a plugin that cannot exist twice is stopped first, and started again if its successor fails"
)
async def test_and_started_again_if_its_successor_fails(site: Site) -> None:
    site.write("lock.py", EXCLUSIVE.format(then="pass"))
    loader = await site.start()
    first = loader.generations.current.plugins["lock"]
    site.write("lock.py", EXCLUSIVE.format(then="1 / 0"))
    report = await loader.reload()
    assert "ZeroDivisionError" in str(report.errors[0])
    again = loader.generations.current.plugins["lock"]
    assert again is not first
    assert not again.closed  # type: ignore[attr-defined]
    assert (site.root / "data/plugins/lock/lock").exists()


async def test_a_start_that_hangs_is_refused_after_its_deadline(site: Site) -> None:
    loader = await site.start()
    site.write(
        "slow.py",
        "import asyncio\nfrom hub import hookimpl\n@hookimpl(timeout=0.05)\n"
        "async def plugin_start(plugin):\n    await asyncio.sleep(60)",
    )
    report = await loader.reload()
    assert str(report.errors[0]) == "slow.py:5: plugin_start failed: no answer within 0.05 s"


async def test_a_hub_does_not_start_with_a_broken_plugin_and_closes_what_it_opened(site: Site) -> None:
    site.write("deny.py", "def (")
    loader = site.loader()
    with pytest.raises(LoadErrors, match=r"deny\.py:1: SyntaxError"):
        await loader.start()
    assert not any(type(finder).__name__ == "PluginFinder" for finder in sys.meta_path)


async def test_reload_facts_reach_the_plugins(site: Site) -> None:
    site.write(
        "facts.py",
        """
        from hub import StashKey, hookimpl
        SEEN = StashKey()
        @hookimpl
        async def plugins_reloaded(plugin, generation, changed):
            plugin.stash.setdefault(SEEN, list).append((generation, dict(changed)))
        @hookimpl
        async def reload_refused(plugin, errors):
            plugin.stash.setdefault(SEEN, list).append(errors)
        """,
    )
    loader = await site.start()
    broken = site.write("deny.py", "def (")
    await loader.reload()
    broken.unlink()
    site.answering("other.py", "one")
    await loader.reload()
    await settle()
    seen = loader.generations.current.plugins["facts"].stash[sys.modules["hub_plugin_facts"].SEEN]
    assert seen == [
        (1, {"memory": "added", "facts": "added"}),
        ("deny.py:1: SyntaxError: invalid syntax. Near: def (",),
        (2, {"other": "added"}),
    ]


async def test_the_order_of_the_config_is_the_order_of_running(site: Site) -> None:
    site.answering("aaa.py", "a")
    site.answering("bbb.py", "b")
    site.plugins = '["bbb", "aaa"]'
    loader = await site.start()
    assert [step["plugin"] for step in loader.hooks()["smtp_rcpt"]] == ["bbb", "aaa"]
    site.plugins = '["aaa", "bbb"]'
    report = await loader.reload(site.config())
    assert set(report.changed.values()) == {"kept"}
    assert report.generation == 2
    assert [step["plugin"] for step in loader.hooks()["smtp_rcpt"]] == ["aaa", "bbb"]


async def test_old_code_goes_on_working_after_its_module_was_replaced(site: Site, tmp_path: Path) -> None:
    site.write(
        "deny.py",
        """
        from hub import Reject, hookimpl
        TEXT = "one"
        def text():
            return TEXT
        @hookimpl
        async def smtp_rcpt():
            return Reject("5.1.1", text())
        """,
    )
    loader = await site.start()
    pin = loader.generations.pin()
    site.write("deny.py", "TEXT = 'two'")
    assert (await loader.reload()).ok
    assert await ask(pin.first(smtp_rcpt)) == Reject("5.1.1", "one")


async def test_reloads_are_one_after_the_other(site: Site) -> None:
    loader = await site.start()
    site.answering("deny.py", "one")
    first, second = await asyncio.gather(loader.reload(), loader.reload())
    assert (first.changed["deny"], second.changed["deny"]) == ("added", "kept")
    assert (first.generation, second.generation) == (2, 2)


async def test_a_reload_that_is_cancelled_is_undone(site: Site) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    module = sys.modules["hub_plugin_deny"]
    site.write(
        "deny.py",
        """
        import asyncio
        from hub import hookimpl
        @hookimpl
        async def plugin_start(plugin):
            (plugin.data_dir / "starting").touch()
            await asyncio.sleep(60)
        """,
    )
    reloading = asyncio.ensure_future(loader.reload())
    async with asyncio.timeout(30):
        while not (site.root / "data/plugins/deny/starting").exists():
            await asyncio.sleep(0.005)
    reloading.cancel()
    await asyncio.wait((reloading,))
    assert reloading.cancelled()
    assert sys.modules["hub_plugin_deny"] is module
    assert await asked(loader.generations) == Reject("5.1.1", "one")
    site.answering("deny.py", "two")
    assert (await loader.reload()).ok
    assert await asked(loader.generations) == Reject("5.1.1", "two")


async def test_a_plugin_whose_import_hangs_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "IMPORTING", 0.4)
    loader = await site.start()
    hanging = site.write("slow.py", "import time\ntime.sleep(2)")
    report = await loader.reload()
    assert "importing the plugins hangs" in str(report.errors[0])
    assert "hub_plugin_slow" not in sys.modules
    hanging.unlink()
    site.answering("deny.py", "one")
    assert (await loader.reload()).ok
    assert await asked(loader.generations) == Reject("5.1.1", "one")


async def test_timers_of_the_old_version_end_where_those_of_the_new_begin(site: Site) -> None:
    text = """
        from hub import hookimpl
        @hookimpl
        async def plugin_start(plugin):
            file = plugin.data_dir / "ticks"
            async def tick():
                with file.open("a") as out:
                    out.write("{}")
            plugin.every(10, tick)
        """
    ticks = site.root / "data/plugins/timer/ticks"
    site.write("timer.py", text.format("a"))
    loader = await site.start()
    pin = loader.generations.pin()  # the old scope stays open, its timers do not
    await site.clock.turn(25)
    site.write("timer.py", text.format("b"))
    assert (await loader.reload()).ok
    await site.clock.turn(25)
    assert ticks.read_text() == "aabb"
    pin.release()


async def test_an_unknown_plugin_is_named_with_its_line_and_the_nearest_one(site: Site) -> None:
    site.answering("deny.py", "one")
    site.plugins = '[\n  "dney",\n  "!dny",\n]'
    with pytest.raises(LoadErrors) as caught:
        await site.start()
    assert str(caught.value) == (
        "hub.toml:5: there is no plugin 'dney'. Did you mean 'deny'?\n"
        "hub.toml:6: there is no plugin 'dny'. Did you mean 'deny'?"
    )


async def test_closing_waits_for_what_drains_and_closes_the_storage_last(site: Site) -> None:
    site.write(
        "slow.py",
        """
        import asyncio, contextlib
        from hub import hookimpl
        @contextlib.asynccontextmanager
        async def resource(plugin):
            yield
            await asyncio.sleep(0.05)
            await plugin.kv.set("closed", b"yes")
        @hookimpl
        async def plugin_start(plugin):
            await plugin.enter(resource(plugin))
        """,
    )
    loader = await site.start()
    storage = loader.services.storage
    (site.folder / "slow.py").unlink()
    assert (await loader.reload()).ok
    await loader.close()
    assert await storage.kv("slow").get("closed") == b"yes"
    assert not storage.is_open  # type: ignore[attr-defined]


async def test_a_step_that_is_under_way_when_the_grace_period_ends_keeps_its_scope(site: Site) -> None:
    site.write(
        "slow.py",
        """
        import asyncio
        from hub import Reject, StashKey, hookimpl
        GO = StashKey()
        @hookimpl
        async def plugin_start(plugin):
            plugin.stash[GO] = asyncio.Event()
        @hookimpl
        async def smtp_rcpt(plugin):
            await plugin.stash[GO].wait()
            return Reject("5.1.1", "one")
        """,
    )
    loader = await site.start()
    old = loader.generations.current.plugins["slow"]
    go = old.stash[sys.modules["hub_plugin_slow"].GO]
    pin = loader.generations.pin()
    asking = asyncio.ensure_future(ask(pin.first(smtp_rcpt)))
    await settle()
    site.write("slow.py", "")
    assert (await loader.reload()).ok
    await site.clock.turn(31)
    assert pin.expired
    assert not asking.done()
    go.set()
    assert await asking == Reject("5.1.1", "one")
    await settle()
    assert old.closed  # type: ignore[attr-defined]

"""What was replaced is closed when nobody works with it any more, and then it is gone."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from hub.loading.succession import GARBAGE
from hub.testing.clock import settle

from .conftest import Site


@pytest.fixture
def collector() -> Iterator[None]:
    """Only collects when it is asked to, as good as in a hub that serves (`calm_collector`)."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_a_generation_that_a_transaction_outlived_is_not_kept_for_the_grace_period(
    site: Site, collector: None
) -> None:
    site.answering("deny.py", "one")
    loader = await site.start()
    pin = loader.generations.pin()
    old = weakref.ref(loader.generations.current.plugins["deny"])
    for text in ("two", "three"):  # the generation before is kept for a rollback
        site.answering("deny.py", text)
        assert (await loader.reload()).ok
    assert loader.draining
    pin.release()
    await settle()
    assert not loader.draining
    del pin
    gc.collect()
    assert old() is None


async def test_replaced_modules_do_not_pile_up(site: Site, collector: None) -> None:
    site.answering("deny.py", "0")
    loader = await site.start()
    modules = []
    for number in range(GARBAGE + 2):
        modules.append(weakref.ref(sys.modules["hub_plugin_deny"]))
        site.answering("deny.py", f"{number + 1}")
        assert (await loader.reload()).ok
        await settle()
    assert sum(module() is not None for module in modules) <= 3

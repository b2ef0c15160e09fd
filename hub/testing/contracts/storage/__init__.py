"""The contract of `Storage` drivers.

class TestSqlite(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_storage_sql:SqlStorage"
"""

from __future__ import annotations

from hub.services.storage import Storage
from hub.testing.contracts.storage.accept import AcceptContract
from hub.testing.contracts.storage.annotations import AnnotationContract
from hub.testing.contracts.storage.expunged import ExpungedContract
from hub.testing.contracts.storage.fixtures import OpenStorage
from hub.testing.contracts.storage.items import ItemContract
from hub.testing.contracts.storage.log import LogContract
from hub.testing.contracts.storage.mailboxes import MailboxContract
from hub.testing.contracts.storage.maintenance import MaintenanceContract
from hub.testing.contracts.storage.moving import MovingContract
from hub.testing.contracts.storage.processes import ProcessContract
from hub.testing.contracts.storage.sending import SendingContract
from hub.testing.contracts.storage.shared import SharedStateContract
from hub.testing.contracts.storage.sharing import SharingContract
from hub.testing.contracts.storage.summaries import SummaryContract
from hub.testing.contracts.storage.threads import ThreadContract
from hub.testing.contracts.storage.viewing import ViewingContract

__all__ = ["OpenStorage", "StorageContract"]


class StorageContract(
    AcceptContract,
    MailboxContract,
    ItemContract,
    MovingContract,
    ViewingContract,
    SharingContract,
    AnnotationContract,
    ExpungedContract,
    LogContract,
    MaintenanceContract,
    SendingContract,
    SharedStateContract,
    SummaryContract,
    ThreadContract,
    ProcessContract,
):
    """Inherit it and give `driver`, `module:Class`, which other processes build too, and `settings`."""

    async def test_the_status_names_the_driver_and_its_schema(self, storage: Storage) -> None:
        assert {"driver", "location", "revision", "waiting"} <= storage.status().keys()

"""What the receipt server is to the rest of the server."""

from typing import Any, Final

from base.database import Database, Schema
from components.receipts.settings import ReceiptServerSettings
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts, served
from describing.tables import Keeps, Tables, kept_history
from internalapi.receipts import FullyReadMarkers, ReceiptHistory
from logs.topics import INPUT_RECEIPT


def _schema() -> Schema:
    from components.receipts.assembly import SCHEMA

    return SCHEMA


def _history(database: Database, _section: Any) -> ReceiptHistory:
    from components.receipts.history import ReceiptHistoryReader

    return ReceiptHistoryReader(database)


async def _build(ground: Ground) -> ComponentParts:
    from components.receipts.assembly import build

    server = build(
        log=ground.log,
        database=await ground.open_database(_schema()),
        settings=ground.section(ReceiptServerSettings),
        on_processed=ground.tell_processed(),
    )
    return ComponentParts(
        apis=(served(FullyReadMarkers).by(server.markers),), consumers=(server.consumer,)
    )


COMPONENT: Final = Component(
    name="receipts",
    title="Receipt server",
    number=5,
    settings=ReceiptServerSettings,
    url_help="The receipt server, which the user API asks how far a user has read.",
    serves=(InternalApi(FullyReadMarkers),),
    tables=Tables(
        schema=_schema, keeps=Keeps.DURABLE, histories=(kept_history(ReceiptHistory, _history),)
    ),
    consumes=(INPUT_RECEIPT,),
    not_rebuilt="where receipts stand is kept for good in the receipt server's own table alone, "
    "and topics keep receipts for a few days: restore it from its backup.",
    build=_build,
)

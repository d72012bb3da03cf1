"""The components of the server: whoever adds one adds it here."""

from typing import Final

from components.clientapi.component import COMPONENT as CLIENTAPI
from components.eduserver.component import COMPONENT as EDUSERVER
from components.keyserver.component import COMPONENT as KEYSERVER
from components.mediaapi.component import COMPONENT as MEDIAAPI
from components.receipts.component import COMPONENT as RECEIPTS
from components.roomserver.component import COMPONENT as ROOMSERVER
from components.syncapi.component import COMPONENT as SYNCAPI
from components.userapi.component import COMPONENT as USERAPI
from describing.catalogue import Catalogue

CATALOGUE: Final = Catalogue(
    (USERAPI, ROOMSERVER, RECEIPTS, EDUSERVER, KEYSERVER, MEDIAAPI, SYNCAPI, CLIENTAPI)
)

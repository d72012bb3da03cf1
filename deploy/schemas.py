"""The databases of a server: one schema per component that keeps anything."""

from typing import Final

from components.eduserver.component import SCHEMA as EDUSERVER
from components.receipts.component import SCHEMA as RECEIPTS
from components.roomserver.component import SCHEMA as ROOMSERVER
from components.syncapi.component import SCHEMA as SYNCAPI
from components.userapi.component import SCHEMA as USERAPI

SCHEMAS: Final = (USERAPI, ROOMSERVER, RECEIPTS, EDUSERVER, SYNCAPI)

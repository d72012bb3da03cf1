"""The databases of a server: one schema per component that keeps anything."""

from typing import Final

from components.eduserver.assembly import SCHEMA as EDUSERVER
from components.receipts.assembly import SCHEMA as RECEIPTS
from components.roomserver.assembly import SCHEMA as ROOMSERVER
from components.syncapi.assembly import SCHEMA as SYNCAPI
from components.userapi.assembly import SCHEMA as USERAPI

SCHEMAS: Final = (USERAPI, ROOMSERVER, RECEIPTS, EDUSERVER, SYNCAPI)

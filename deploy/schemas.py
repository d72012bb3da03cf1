"""The databases of a server: one schema per component that keeps anything."""

from typing import Final

from components.roomserver.component import SCHEMA as ROOMSERVER
from components.syncapi.component import SCHEMA as SYNCAPI
from components.userapi.component import SCHEMA as USERAPI

SCHEMAS: Final = (USERAPI, ROOMSERVER, SYNCAPI)

"""What the stores leave to be announced."""

from typing import TypeAlias

from logs.announcing.announcements import Announcements
from logs.records.client_data import OutputClientData

ClientDataAnnouncements: TypeAlias = Announcements[OutputClientData]

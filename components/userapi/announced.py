"""What the user API announces."""

from typing import Final

from logs.announcing import AnnouncedTopic
from logs.topics import OUTPUT_CLIENT_DATA

ANNOUNCED: Final = AnnouncedTopic(OUTPUT_CLIENT_DATA, "userapi", lambda record: record.user_id)

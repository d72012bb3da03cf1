"""What the key server announces."""

from typing import Final

from logs.announcing import AnnouncedTopic
from logs.topics import OUTPUT_KEY_CHANGE

ANNOUNCED: Final = AnnouncedTopic(OUTPUT_KEY_CHANGE, "keyserver", lambda record: record.user_id)

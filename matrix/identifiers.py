"""Identifiers of users, rooms, events and servers, and their grammars."""

from typing import NewType

UserID = NewType("UserID", str)
RoomID = NewType("RoomID", str)
RoomAlias = NewType("RoomAlias", str)
EventID = NewType("EventID", str)
DeviceID = NewType("DeviceID", str)
ServerName = NewType("ServerName", str)
KeyID = NewType("KeyID", str)
"""`algorithm:version`, as in `ed25519:a1`."""

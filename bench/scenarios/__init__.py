"""The scenarios, by the names that the command line and the reports use."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from bench.scenarios import (
    big_room_messages,
    big_room_state,
    encrypted_room_join,
    fanout_latency,
    history,
    idle_polls,
    initial_sync,
    join_storm,
    keys,
    many_rooms_incremental,
    media,
    register_login,
    send_live,
    send_many_rooms,
    send_one_room,
    thumbnails,
    to_device,
)
from bench.stage import Stage

SCENARIOS: Mapping[str, Callable[[Stage], Awaitable[None]]] = MappingProxyType(
    {
        "send-one-room": send_one_room.run,
        "send-live": send_live.run,
        "send-many-rooms": send_many_rooms.run,
        "fanout-latency": fanout_latency.run,
        "join-storm": join_storm.run,
        "history": history.run,
        "initial-sync": initial_sync.run,
        "big-room-messages": big_room_messages.run,
        "big-room-state": big_room_state.run,
        "idle-polls": idle_polls.run,
        "many-rooms-incremental": many_rooms_incremental.run,
        "register-login": register_login.run,
        "to-device": to_device.run,
        "keys": keys.run,
        "encrypted-room-join": encrypted_room_join.run,
        "media": media.run,
        "thumbnails": thumbnails.run,
    }
)

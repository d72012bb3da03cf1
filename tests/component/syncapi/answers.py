"""Parts of an answer of /sync, as tests look at them."""

from typing import Any

from tests.component.syncapi.story import Room, bodies


def joined(answer: dict[str, Any], room: Room) -> dict[str, Any]:
    part: dict[str, Any] = answer["rooms"]["join"][room.room_id]
    return part


def timeline(answer: dict[str, Any], room: Room) -> list[str]:
    return bodies(joined(answer, room)["timeline"]["events"])


def state_of(part: dict[str, Any], name: str = "state") -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in part[name]["events"]}

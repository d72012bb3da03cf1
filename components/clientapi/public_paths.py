"""Which requests of clients the client API answers."""

from typing import Final

from describing.public_paths import CLIENT, FORMER, OTHERS, ROOM, PublicPath

PUBLIC_PATHS: Final = (
    # The names of members are part of the state of their rooms.
    PublicPath(f"{CLIENT}/profile/**", OTHERS),
    PublicPath(f"{CLIENT}/{{createRoom,directory,join,knock,publicRooms}}/**"),
    PublicPath(f"{CLIENT}/mutual_rooms"),
    PublicPath(f"{CLIENT}/sendToDevice/**"),
    PublicPath(f"{ROOM}/{{ban,forget,invite,join,kick,leave,unban,upgrade}}"),
    PublicPath(f"{ROOM}/{{aliases,read_markers,receipt,redact,send,typing}}/**"),
    PublicPath(f"{ROOM}/state/**", OTHERS),
    PublicPath(f"{FORMER}/uk.tcpip.msc4133/**", OTHERS),
    PublicPath(f"{FORMER}/{{org.matrix.msc2432,uk.half-shot.msc2666}}/**"),
    PublicPath(f"{FORMER}/xyz.amorgan.knock/**"),
)

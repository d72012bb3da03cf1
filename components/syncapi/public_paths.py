"""Which requests of clients client sync answers."""

from typing import Final

from describing.public_paths import CLIENT, FORMER, READS, ROOM, PublicPath

PUBLIC_PATHS: Final = (
    PublicPath(f"{CLIENT}/{{initialSync,joined_rooms,sync}}"),
    PublicPath(f"{CLIENT}/events/**"),
    PublicPath(f"{CLIENT}/keys/changes"),
    PublicPath(f"{ROOM}/{{context,event,initialSync,joined_members,members,messages}}/**"),
    PublicPath(f"{ROOM}/{{hierarchy,report,timestamp_to_event}}/**"),
    PublicPath(f"{CLIENT}/room_summary/*"),
    PublicPath(f"{CLIENT}/user_directory/search"),
    PublicPath(f"{ROOM}/{{relations,threads}}/**"),
    PublicPath(f"{ROOM}/state/**", READS),
    PublicPath(f"{FORMER}/org.matrix.msc3814.v1/dehydrated_device/*/events"),
    PublicPath(f"{FORMER}/im.nheko.summary/**"),
    PublicPath(f"{FORMER}/org.matrix.{{msc2946,msc3030,msc3856,msc4151}}/**"),
)

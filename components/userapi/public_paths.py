"""Which requests of clients the user API answers."""

from typing import Final

from describing.public_paths import CLIENT, FORMER, READS, PublicPath

PUBLIC_PATHS: Final = (
    PublicPath("/"),
    PublicPath("/.well-known/matrix/{client,support}"),
    PublicPath("/_matrix/client/versions"),
    PublicPath("/_matrix/static/client/login/**"),
    PublicPath(f"{CLIENT}/{{account,admin,auth,capabilities,delete_devices,devices}}/**"),
    PublicPath(f"{CLIENT}/{{login,logout,pushrules,refresh,register,thirdparty}}/**"),
    PublicPath(f"{CLIENT}/{{user,voip}}/**"),
    PublicPath(f"{CLIENT}/profile/**", READS),
    PublicPath(f"{CLIENT}/pushers"),
    PublicPath(f"{CLIENT}/users/*/report"),
    PublicPath("/_synapse/admin/**"),
    PublicPath(f"{FORMER}/org.matrix.{{msc2918,msc3231,msc3882,msc4260}}/**"),
    PublicPath(f"{FORMER}/uk.timedout.msc4323/**"),
    PublicPath(f"{FORMER}/uk.tcpip.msc4133/**", READS),
)

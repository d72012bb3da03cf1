"""Creating rooms."""

from components.clientapi.profiles.member_profiles import MemberProfiles
from components.clientapi.profiles.shown_profiles import ShownProfiles
from components.clientapi.rates import ClientApiRates
from components.clientapi.rooms.creation_request import CreationRequest
from components.clientapi.rooms.initial_events import InitialEvents
from internalapi.roomserver import RoomDirectory
from internalapi.userapi import Requester
from matrix.errors import AuthRejected, InvalidRoomState
from matrix.identifiers import RoomID, UserID
from roomwriting.sending import EventSender


class RoomCreation:
    """Creates a room with one append: all of it stands, or nothing does."""

    def __init__(
        self,
        *,
        sender: EventSender,
        directory: RoomDirectory,
        profiles: MemberProfiles,
        shown: ShownProfiles,
        rates: ClientApiRates,
    ) -> None:
        self._sender = sender
        self._directory = directory
        self._profiles = profiles
        self._shown = shown
        self._rates = rates

    async def create(self, requester: Requester, request: CreationRequest) -> RoomID:
        """Create the room and return its ID.

        Raises `RoomInUse` for an alias that is taken, `InvalidRoomState` where the rules refuse
        an event, `NotFound` for an invited local user who does not exist.
        """
        creator = requester.user_id
        self._rates.check_creation(creator)
        for invited in request.invites:
            await self._profiles.require_invitable(invited)
        copies = await self._shown.copy_all(request.invites)
        self._rates.check_invites(creator, len(request.invites))
        copies[creator] = await self._shown.copy_own(creator)
        profiles = {user_id: copied.shown for user_id, copied in copies.items()}
        try:
            room_id = await self._write(request, creator, InitialEvents(request, creator, profiles))
        except AuthRejected as refusal:
            raise InvalidRoomState(refusal.message) from refusal
        await self._shown.correct_all(room_id, copies)
        if request.is_published:
            await self._directory.perform_publish(room_id=room_id, is_published=True)
        return room_id

    async def _write(
        self, request: CreationRequest, creator: UserID, events: InitialEvents
    ) -> RoomID:
        room = self._sender.new_room(request.version, events.create())
        following = events.following()
        if request.alias is None:
            await self._sender.create(room, following)
            return room.room_id
        # First the alias: whoever comes second hears of it before there is a room.
        await self._directory.perform_create_alias(
            alias=request.alias, room_id=room.room_id, creator=creator
        )
        try:
            await self._sender.create(room, following)
        except BaseException:
            await self._directory.perform_delete_alias(alias=request.alias)
            raise
        return room.room_id

"""A key server under test: its replicas over one database and log, and devices with real keys."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from base.clock import ManualClock
from base.database import open_database
from base.http import application
from base.http.testing import Answer
from base.tasks import Tasks
from components.keyserver.assembly import SCHEMA, KeyServer, build
from components.keyserver.settings import KeyServerSettings
from internalapi.userapi import KnownDevice, ProofOutcome, Requester
from logs.embedded import EmbeddedLog
from logs.log import Outgoing, Position, Record
from logs.records.client_data import DeviceChanged, OutputClientData, TokensRevoked
from logs.records.key_changes import OutputKeyChange
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_KEY_CHANGE, TOPICS
from matrix.errors import UnknownToken
from matrix.identifiers import DeviceID, ServerName, UserID
from matrix.signing import SigningKey, sign_json
from matrix.unpadded_base64 import encode_base64
from tests.spec.clients import CheckedClient

V3 = "/_matrix/client/v3"
ALICE = UserID("@alice:xylem.test")
BOB = UserID("@bob:xylem.test")


class DevicesOfTest:
    """What the user API knows: tokens are those of devices, `@alice:xylem.test|PHONE|1`."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self.dehydrated: dict[str, KnownDevice] = {}
        self.untold: list[OutputClientData] = []
        """What was made of dehydrated devices, for the test to announce."""
        self.after_replacing: list[Callable[[], Awaitable[None]]] = []
        """What happens once, when a dehydrated device was made and its keys are not stored yet."""

    async def query_token(self, *, access_token: str) -> Requester:
        user_id, device_id, number = access_token.split("|")
        if self.numbers.get((user_id, device_id), -1) > int(number):
            raise UnknownToken(soft_logout=False)
        return Requester(
            user_id=UserID(user_id), device_id=DeviceID(device_id), device_number=int(number)
        )

    async def query_device_number(self, *, user_id: UserID, device_id: DeviceID) -> int | None:
        return self.numbers.get((user_id, device_id))

    async def query_devices_of(self, *, user_ids: list[UserID]) -> list[KnownDevice]:
        raise NotImplementedError

    async def query_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        return self.dehydrated.get(user_id)

    async def perform_replace_dehydrated_device(
        self, *, user_id: UserID, device_id: DeviceID, display_name: str | None
    ) -> int:
        await self.perform_remove_dehydrated_device(user_id=user_id)
        number = 10 + len(self.untold)
        self.dehydrated[user_id] = KnownDevice(user_id, device_id, number)
        self.untold.append(DeviceChanged(user_id, device_id, number, display_name))
        if self.after_replacing:
            await self.after_replacing.pop()()
        return number

    async def perform_remove_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        removed = self.dehydrated.pop(user_id, None)
        if removed is not None:
            gone = TokensRevoked(user_id, removed.device_id, removed_up_to=removed.number)
            self.untold.append(gone)
        return removed

    async def perform_prove(
        self, *, requester: Requester, body: dict[str, Any], operation: str
    ) -> ProofOutcome:
        assert requester
        assert operation == "upload cross-signing keys"
        if body.get("auth") == {"session": "proven"}:
            return ProofOutcome(body, None)
        challenge = {"flows": [{"stages": ["m.login.password"]}], "params": {}, "session": "new"}
        return ProofOutcome(body, challenge)


class Device:
    """A device with its keys, and its client."""

    def __init__(self, house: "House", user_id: str, device_id: str, number: int) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.number = number
        self.token = f"{user_id}|{device_id}|{number}"
        self.client = house.client.as_user(self.token)
        self.key = SigningKey("1", f"{user_id}{device_id}{number}".encode().ljust(32)[-32:])
        self.public_key = encode_base64(self.key.verify_key)

    def sign(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object with the device's signature."""
        return signed(value, self.user_id, self.device_id, self.key)

    def keys(self, **changes: Any) -> dict[str, Any]:
        """Return the identity keys of the device."""
        return self.sign(
            {
                "user_id": self.user_id,
                "device_id": self.device_id,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {
                    f"curve25519:{self.device_id}": encode_base64(self.key.verify_key[::-1]),
                    f"ed25519:{self.device_id}": self.public_key,
                },
                **changes,
            }
        )

    def one_time_keys(self, *names: str, **changes: Any) -> dict[str, Any]:
        """Return signed one-time keys by name, each with a key of its own."""
        return {
            f"signed_curve25519:{name}": self.sign(
                {"key": encode_base64(name.encode().ljust(32, b".")), **changes}
            )
            for name in names
        }

    async def upload(self, **body: Any) -> Answer:
        """Upload keys."""
        return await self.client.post(f"{V3}/keys/upload", body)


def signed(value: Mapping[str, Any], user_id: str, name: str, key: SigningKey) -> dict[str, Any]:
    """Return the object with a signature whose key has this name."""
    signature = sign_json(value, user_id, key)["signatures"][user_id][key.key_id]
    others = value.get("signatures", {})
    own = {**others.get(user_id, {}), f"ed25519:{name}": signature}
    return {**value, "signatures": {**others, user_id: own}}


class House:
    """One replica of the key server, running."""

    def __init__(self, log: EmbeddedLog, server: KeyServer, users: DevicesOfTest) -> None:
        self.log = log
        self.server = server
        self.users = users
        self.client = CheckedClient(application([server.router]))

    async def tell(self, *records: OutputClientData) -> None:
        """Announce records of the user API, and wait until they are processed."""
        await self.log.append(
            OUTPUT_CLIENT_DATA.name,
            [Outgoing(one.user_id, OUTPUT_CLIENT_DATA.encode(one)) for one in records],
        )
        (end,) = (await self.log.ends([OUTPUT_CLIENT_DATA.name]))[OUTPUT_CLIENT_DATA.name]
        await self.server.consumer.wait_for(Position(0, end - 1), timeout_s=30)

    async def login(
        self,
        user_id: str,
        device_id: str,
        *,
        number: int = 1,
        name: str | None = None,
        is_told: bool = True,
    ) -> Device:
        """Let the user API make a device."""
        self.users.numbers[user_id, device_id] = number
        if is_told:
            await self.tell(DeviceChanged(user_id, device_id, number, name))
        return Device(self, user_id, device_id, number)

    async def logout(self, device: Device) -> None:
        """Let the user API remove a device."""
        del self.users.numbers[device.user_id, device.device_id]
        await self.tell(
            TokensRevoked(device.user_id, device.device_id, removed_up_to=device.number)
        )

    async def query(self, reader: Device, *user_ids: str) -> Any:
        """Return the answer about all devices of users."""
        body: dict[str, Any] = {"device_keys": {user_id: [] for user_id in user_ids}}
        answer = await reader.client.post(f"{V3}/keys/query", body)
        assert answer.status == 200, answer.json
        return answer.json

    async def claim(self, reader: Device, *devices: Device) -> dict[str, Any]:
        """Claim a key of each device; return them by user and device."""
        wanted: dict[str, dict[str, str]] = {}
        for one in devices:
            wanted.setdefault(one.user_id, {})[one.device_id] = "signed_curve25519"
        answer = await reader.client.post(f"{V3}/keys/claim", {"one_time_keys": wanted})
        assert answer.status == 200, answer.json
        found: dict[str, Any] = answer.json["one_time_keys"]
        return found

    async def records(self, until: Callable[[OutputKeyChange], bool]) -> list[OutputKeyChange]:
        """Return what was announced, as soon as there is a record like this."""
        tail = await self.log.tail(OUTPUT_KEY_CHANGE.name, {0: 0})
        found: dict[Any, Record] = {}
        try:
            while True:
                for record in await tail.read():
                    found.setdefault(record.origin, record)
                decoded = [OUTPUT_KEY_CHANGE.decode(one.value) for one in found.values()]
                if any(map(until, decoded)):
                    return decoded
        finally:
            await tail.close()


@contextlib.asynccontextmanager
async def running_house(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest, **changes: Any
) -> AsyncIterator[House]:
    """Run a replica over the log and the database."""
    database = await open_database(database_url, SCHEMA, durable=True)
    server = build(
        settings=msgspec.structs.replace(KeyServerSettings(), **changes),
        server_name=ServerName("xylem.test"),
        database=database,
        log=log,
        clock=ManualClock(),
        authentication=users,
        devices=users,
        dehydrated_devices=users,
        proofs=users,
    )
    try:
        async with Tasks() as tasks:
            tasks.start("keyserver", server.run())
            tasks.start("keyserver, deleted backups", server.deleted_backups.run())
            tasks.start("keyserver, consumer", server.consumer.run())
            yield House(log, server, users)
    finally:
        await database.close()


async def open_log(folder: Path) -> EmbeddedLog:
    """Open the log of a test."""
    return await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))

"""What scenarios make of the answers that they get."""

import asyncio
import io
import os
from pathlib import Path

import orjson
import pytest
from PIL import Image

from bench.client import Client, User
from bench.device_lists import changed_in, joins_in
from bench.http import Answer
from bench.keys import CrossSigning, Device
from bench.load import Done
from bench.scenarios import SCENARIOS, keys, media, thumbnails, to_device
from bench.servers.process import ProcessServer
from bench.stage import Outcome, Stage
from bench.targets import TARGETS
from bench.verify import Findings, Sent

ALICE = User("@alice:x", "token", "PHONE")
BOB = User("@bob:x", "token", "TABLET")


class RunningServer(ProcessServer):
    """Stands for a server: this very process."""

    @property
    def pid(self) -> int:
        return os.getpid()


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    await asyncio.sleep(0)
    address = ("127.0.0.1", 1)
    server = RunningServer("test", [], address, log_path=tmp_path / "log", cwd=tmp_path)
    return Stage(server, Client(address, ""), 1.0, Outcome("test", "test"))


def answered(body: object = None, *, raw: bytes = b"", status: int = 200) -> Answer:
    return Answer(status, raw or orjson.dumps(body), 1.0, 1.5)


def to_devices(*numbers: int) -> bytes:
    events = [{"sender": "@bob:x", "content": {"bench_n": number}} for number in numbers]
    return orjson.dumps({"next_batch": "s1", "to_device": {"events": events}})


def test_each_target_is_of_a_scenario() -> None:
    assert {target.scenario for target in TARGETS} <= SCENARIOS.keys()


async def test_an_answer_may_count_as_many_operations(stage: Stage) -> None:
    phase = stage.phase("live")
    with phase:
        phase.finished_at = phase.started_at + 2.0

    stage.close_phase(phase, [answered(), answered(), answered(status=500)], operations_each=100)

    metrics = stage.outcome.phases["live"]
    assert (metrics["operations"], metrics["errors"]) == (200, 1)
    assert metrics["rate_per_s"] == pytest.approx(100)


def test_a_request_writes_to_all_devices_of_all_users() -> None:
    job = to_device.send_job(ALICE, [ALICE, BOB, User("@bob:x", "token", "PHONE")], 7)

    body = orjson.loads(job.request.partition(b"\r\n\r\n")[2])

    devices = {user_id: set(own) for user_id, own in body["messages"].items()}
    assert devices == {"@alice:x": {"PHONE"}, "@bob:x": {"TABLET", "PHONE"}}
    assert job.request.count(b'"bench_n":7') == 3


async def test_messages_that_a_device_lacks_or_has_twice_are_found(stage: Stage) -> None:
    done = [Done(Sent("@bob:x", number), answered({})) for number in range(4)]

    to_device.check(stage, done, [ALICE], [[to_devices(0, 1), to_devices(1, 3)]])

    found = stage.outcome.findings
    assert (found.missing, found.doubled, found.wrong) == (1, 1, 0)


async def test_messages_out_of_the_senders_order_are_found(stage: Stage) -> None:
    done = [Done(Sent("@bob:x", number), answered({})) for number in range(3)]

    to_device.check(stage, done, [ALICE], [[to_devices(1, 0, 2)]])

    assert stage.outcome.findings.reordered == 1


def claimed(device: Device, *given: dict[str, object]) -> list[Answer]:
    user_id, device_id = device.user.user_id, device.user.device_id
    return [answered({"one_time_keys": {user_id: {device_id: one}}}) for one in given]


def test_a_key_that_is_given_twice_or_to_nobody_is_found() -> None:
    device, findings = Device(ALICE), Findings()
    uploaded = device.one_time_keys(2)
    first = dict([next(iter(uploaded.items()))])

    keys.check_claims(findings, claimed(device, first, first), [(device, uploaded)])
    keys.check_claims(findings, [answered({"one_time_keys": {}})], [(device, uploaded)])

    assert (findings.doubled, findings.missing) == (1, 1)


def test_a_key_that_nobody_uploaded_is_found() -> None:
    device, findings = Device(ALICE), Findings()

    keys.check_claims(
        findings, claimed(device, device.one_time_keys(1)), [(device, device.one_time_keys(1))]
    )

    assert findings.wrong == 1


def test_device_keys_without_a_signature_are_found() -> None:
    device, signing, findings = Device(ALICE), CrossSigning.new(ALICE), Findings()
    shown = {"@alice:x": {"PHONE": device.keys}}
    cross_signing = {
        f"{kind}_keys": {"@alice:x": signing.body[f"{kind}_key"]}
        for kind in ("master", "self_signing")
    }
    expected = keys.shown_keys([device], [signing])

    keys.check_query(
        findings, answered({"device_keys": shown, **cross_signing}), expected, [signing]
    )

    assert (findings.checked, findings.wrong, findings.missing) == (3, 1, 1)


def test_joins_and_changed_devices_are_read_from_a_sync_answer() -> None:
    event = {"type": "m.room.member", "state_key": "@bob:x"}
    rooms = {"join": {"!room:x": {"timeline": {"events": [event, {"type": "m.room.message"}]}}}}
    answer = {"device_lists": {"changed": ["@carol:x"]}, "rooms": rooms}

    assert joins_in(answer) == {"@bob:x"}
    assert changed_in(answer) == ["@carol:x"]


async def test_a_download_of_other_bytes_is_found(stage: Stage) -> None:
    done = [Done(b"as uploaded", answered(raw=b"as uploaded")), Done(b"1", answered(raw=b"2"))]

    media.check(stage, done)

    assert stage.outcome.findings.missing == 1


async def test_a_thumbnail_of_another_size_is_found(stage: Stage) -> None:
    file = io.BytesIO()
    Image.new("RGB", (96, 96)).save(file, "JPEG")
    wanted = [thumbnails.Wanted("mxc://x/a", edge, edge, "crop") for edge in (96, 32)]

    thumbnails.check(stage, [Done(one, answered(raw=file.getvalue())) for one in wanted])

    assert (stage.outcome.findings.checked, stage.outcome.findings.missing) == (2, 1)


def test_the_bench_makes_pictures_of_a_phones_size() -> None:
    with Image.open(io.BytesIO(thumbnails.picture(1))) as made:
        assert (made.format, made.size) == ("JPEG", thumbnails.PHONE)

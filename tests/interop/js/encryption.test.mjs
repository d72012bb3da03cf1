// Rooms whose messages the server cannot read: each device gets the keys that it should.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { DecryptionFailureCode } from "matrix-js-sdk/lib/crypto-api/index.js";
import { Person, encryptedRoomOf, stopEverybody, story } from "./people.mjs";
import { setUpSecrets } from "./secrets.mjs";

const ENCRYPTS = { encrypts: true };

afterEach(stopEverybody);

async function untilUnreadable(person, roomId, eventId) {
    const event = await person.untilEvent(roomId, eventId);
    return person.eventually(() => event.isDecryptionFailure() && event);
}

story("two users read each other in an encrypted room", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);

    const question = await alice.say(roomId, "Why is a raven like a writing-desk?");
    await bob.untilTexts(roomId, 1);
    await bob.say(roomId, "I give it up");

    const said = ["Why is a raven like a writing-desk?", "I give it up"];
    assert.deepEqual(await alice.untilTexts(roomId, 2), said);
    assert.deepEqual(await bob.untilTexts(roomId, 2), said);
    assert.equal(bob.room(roomId).findEventById(question).getWireType(), "m.room.encrypted");
});

story("a device that is logged in later reads what is said from then on", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);
    const before = await alice.say(roomId, "Before");
    await bob.untilTexts(roomId, 1);

    const phone = await bob.anotherDevice(ENCRYPTS);
    const phoneId = phone.client.getDeviceId();
    await alice.eventuallyIs(async () => {
        const devices = await alice.crypto.getUserDeviceInfo([bob.userId]);
        return devices.get(bob.userId).has(phoneId);
    });
    await alice.say(roomId, "After");

    assert.deepEqual(await phone.untilTexts(roomId, 1), ["After"]);
    assert.deepEqual(await bob.untilTexts(roomId, 2), ["Before", "After"]);
    await untilUnreadable(phone, roomId, before);
});

story("who is invited reads what is said from then on, once they join", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice);
    const before = await alice.say(roomId, "Before");
    await alice.client.invite(roomId, bob.userId);
    await alice.untilMember(roomId, bob.userId, "invite");
    await alice.say(roomId, "While invited");

    await bob.client.joinRoom(roomId);
    await alice.untilMember(roomId, bob.userId);
    await bob.untilEvent(roomId, await alice.say(roomId, "After"));
    await bob.client.scrollback(bob.room(roomId));

    assert.deepEqual(await bob.untilTexts(roomId, 2), ["While invited", "After"]);
    await untilUnreadable(bob, roomId, before);
});

story("who is invited by somebody known by their keys is given the history, too", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    for (const one of [alice, bob]) await setUpSecrets(one);
    const roomId = await encryptedRoomOf(alice);
    await alice.say(roomId, "Before");

    await alice.client.invite(roomId, bob.userId);
    await bob.eventually(() => bob.room(roomId)?.getMyMembership() === "invite");
    await bob.client.joinRoom(roomId);
    await bob.eventually(() => bob.room(roomId).getMyMembership() === "join");
    await bob.client.scrollback(bob.room(roomId));

    assert.deepEqual(await bob.untilTexts(roomId, 1), ["Before"]);
});

story("who has left gets no key of what is said afterwards", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const carol = await Person.register("carol", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob, carol);
    const elsewhere = await encryptedRoomOf(alice, bob);
    const first = await alice.say(roomId, "With you");
    await bob.untilTexts(roomId, 1);

    await bob.client.leave(roomId);
    await alice.untilMember(roomId, bob.userId, "leave");
    const second = await alice.say(roomId, "Without you");
    assert.deepEqual(await carol.untilTexts(roomId, 2), ["With you", "Without you"]);
    // Keys come in the order in which they were sent: with this one all earlier ones are there.
    await alice.say(elsewhere, "Only to you");
    await bob.untilTexts(elsewhere, 1);

    const known = (await bob.crypto.exportRoomKeys()).map((key) => key.session_id);
    const session = (id) => carol.room(roomId).findEventById(id).getWireContent().session_id;
    assert.ok(known.includes(session(first)));
    assert.ok(!known.includes(session(second)));
});

story("a device that is not trusted is told that the key is withheld", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);

    alice.crypto.globalBlacklistUnverifiedDevices = true;
    const eventId = await alice.say(roomId, "For verified devices");

    const unreadable = await untilUnreadable(bob, roomId, eventId);
    const withheld = DecryptionFailureCode.MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE;
    await bob.eventually(() => unreadable.decryptionFailureReason === withheld);
});

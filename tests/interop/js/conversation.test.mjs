// People talk through the SDK's own sync loop.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import * as sdk from "matrix-js-sdk";
import { Person, roomOf, stopEverybody, story } from "./people.mjs";

afterEach(stopEverybody);

story("two people talk, and see each message once", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);

    await alice.say(roomId, "Why is a raven like a writing-desk?");
    await bob.eventually(() => bob.texts(roomId).length === 1);
    const answer = await bob.say(roomId, "I give it up");
    await alice.untilEvent(roomId, answer);
    await bob.untilEvent(roomId, answer);

    const said = ["Why is a raven like a writing-desk?", "I give it up"];
    assert.deepEqual(alice.texts(roomId), said);
    assert.deepEqual(bob.texts(roomId), said);
});

story("an invite shows the room's name before it is accepted", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const { room_id: roomId } = await alice.client.createRoom({ name: "Tea" });

    await alice.client.invite(roomId, bob.userId);

    await bob.eventually(() => bob.room(roomId)?.getMyMembership() === "invite");
    assert.equal(bob.room(roomId).name, "Tea");
    assert.equal(bob.room(roomId).getDMInviter(), undefined);
});

story("a redacted message loses its text", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const eventId = await alice.say(roomId, "Off with their heads!");
    const seen = await bob.untilEvent(roomId, eventId);

    await alice.client.redactEvent(roomId, eventId, undefined, { reason: "Too harsh" });

    await bob.eventually(() => seen.isRedacted());
    assert.deepEqual(seen.getContent(), {});
});

story("who types is shown while they type", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const isTyping = () => alice.room(roomId).getMember(bob.userId).typing;

    await bob.client.sendTyping(roomId, true, 30_000);
    await alice.eventually(isTyping);
    await bob.client.sendTyping(roomId, false, 0);
    await alice.eventually(() => !isTyping());
});

story("a receipt says how far somebody has read", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const eventId = await alice.say(roomId, "Read me");
    const seen = await bob.untilEvent(roomId, eventId);

    await bob.client.sendReadReceipt(seen);

    await alice.eventually(() => alice.room(roomId).hasUserReadEvent(bob.userId, eventId));
    const receipts = alice.room(roomId).getReceiptsForEvent(await alice.untilEvent(roomId, eventId));
    assert.deepEqual(receipts.filter((one) => one.userId === bob.userId).map((one) => one.type), [
        "m.read",
    ]);
});

story("a private receipt is for the reader's own devices", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const other = await bob.anotherDevice();
    const eventId = await alice.say(roomId, "Read me in secret");
    const seen = await bob.untilEvent(roomId, eventId);

    await bob.client.setRoomReadMarkers(roomId, eventId, undefined, seen);

    const isRead = (one) => one.room(roomId).getEventReadUpTo(bob.userId) === eventId;
    await other.eventually(() => isRead(other));
    await other.eventually(
        () => other.room(roomId).getAccountData("m.fully_read")?.getContent().event_id === eventId,
    );
    const sign = await bob.say(roomId, "Something else");
    await alice.untilEvent(roomId, sign);
    assert.deepEqual(alice.room(roomId).getReceiptsForEvent(alice.room(roomId).findEventById(eventId))
        .filter((one) => one.userId === bob.userId), []);
});

story("account data and tags reach another device", async () => {
    const alice = await Person.register("alice");
    const roomId = await roomOf(alice);
    const other = await alice.anotherDevice();

    await alice.client.setAccountData("org.example.hat", { size: 10 });
    await alice.client.setRoomAccountData(roomId, "org.example.seat", { number: 3 });
    await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.5 });

    await other.eventually(() => other.room(roomId).tags["m.favourite"]);
    assert.deepEqual(other.client.getAccountData("org.example.hat").getContent(), { size: 10 });
    const room = other.room(roomId);
    assert.deepEqual(room.getAccountData("org.example.seat").getContent(), { number: 3 });
    assert.deepEqual(room.tags["m.favourite"], { order: 0.5 });
});

story("a new name is shown to others in the room", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);

    await alice.client.setDisplayName("Alice Liddell");

    const member = () => bob.room(roomId).getMember(alice.userId);
    await bob.eventually(() => member()?.name === "Alice Liddell");
    assert.equal((await bob.client.getProfileInfo(alice.userId)).displayname, "Alice Liddell");
});

story("who leaves is shown as gone, and may forget the room", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);

    await bob.client.leave(roomId);

    await alice.untilMember(roomId, bob.userId, "leave");
    await bob.eventually(() => bob.room(roomId)?.getMyMembership() === "leave");
    await bob.client.forget(roomId);
    assert.equal(bob.room(roomId), null);
});

story("who logs out elsewhere is told so", async () => {
    const alice = await Person.register("alice");
    const other = await alice.anotherDevice();
    const loggedOut = other.until(sdk.HttpApiEvent.SessionLoggedOut);

    const { devices } = await alice.client.getDevices();
    assert.equal(devices.length, 2 + 1); // registering has made one, too
    await other.client.logout();

    assert.equal((await alice.client.getDevices()).devices.length, 2);
    await Promise.race([loggedOut, other.client.whoami().catch(() => {})]);
    await assert.rejects(other.client.whoami(), { errcode: "M_UNKNOWN_TOKEN" });
});

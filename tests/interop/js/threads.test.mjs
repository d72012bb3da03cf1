// Threads, as the SDK puts them together from what it is told and what it asks.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { Person, roomOf, stopEverybody, story } from "./people.mjs";

afterEach(stopEverybody);

story("a thread is followed live, listed, and read from its start", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const rootId = await alice.say(roomId, "A long tale");
    await bob.untilEvent(roomId, rootId);

    const pen = alice.pen();
    const sent = [];
    for (let number = 0; number < 5; number++) {
        const content = { msgtype: "m.text", body: `Part ${number}` };
        sent.push((await pen.sendMessage(roomId, rootId, content)).event_id);
    }

    await bob.eventually(() => bob.room(roomId).getThread(rootId)?.replyToEvent?.getId() === sent[4]);
    const thread = bob.room(roomId).getThread(rootId);
    // Its own count of replies may run ahead while it asks for the thread's root.
    await bob.eventually(() => sent.every((eventId) => thread.findEventById(eventId)));
    assert.deepEqual(bob.texts(roomId), ["A long tale"]);
    const listed = await bob.client.createThreadListMessagesRequest(roomId, null);
    assert.deepEqual(listed.chunk.map((event) => event.event_id), [rootId]);
    const summary = listed.chunk[0].unsigned["m.relations"]["m.thread"];
    assert.equal(summary.count, 5);
    assert.equal(summary.latest_event.event_id, sent[4]);
    assert.equal(summary.current_user_participated, false);

    const later = await bob.anotherDevice({ initialSyncLimit: 1 });
    const asked = await later.client.relations(roomId, rootId, "m.thread", null, { limit: 100 });
    assert.deepEqual(asked.events.map((event) => event.getId()).reverse(), sent);
    assert.equal(asked.originalEvent.getId(), rootId);
});

story("a receipt in a thread does not read the room, and what is unread is counted by thread", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const rootId = await alice.say(roomId, "A tale");
    const reply = { msgtype: "m.text", body: "Once upon a time" };
    const { event_id: replyId } = await alice.pen().sendMessage(roomId, rootId, reply);
    const room = bob.room(roomId);
    const seen = await bob.eventually(() => room.getThread(rootId)?.findEventById(replyId));
    const unread = () => [
        room.getRoomUnreadNotificationCount("total"),
        room.getThreadUnreadNotificationCount(rootId, "total"),
    ];
    await bob.eventually(() => unread().join() === "1,1");

    await bob.client.sendReadReceipt(seen);

    const readBy = () => alice.room(roomId).getThread(rootId)?.getReadReceiptForUserId(bob.userId);
    await alice.eventually(() => readBy()?.eventId === replyId);
    assert.notEqual(alice.room(roomId).getReadReceiptForUserId(bob.userId)?.eventId, replyId);
    await bob.eventually(() => unread().join() === "1,0");
});

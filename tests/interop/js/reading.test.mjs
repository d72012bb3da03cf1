// What the SDK loads when somebody looks at it: older messages, members, a place in the past.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { EventTimeline } from "matrix-js-sdk";
import { Person, roomOf, stopEverybody, story } from "./people.mjs";

afterEach(stopEverybody);

story("older messages are loaded page by page", async () => {
    const alice = await Person.register("alice");
    const roomId = await roomOf(alice);
    const verses = Array.from({ length: 30 }, (_, number) => `Verse ${number}`);
    for (const verse of verses) await alice.say(roomId, verse);
    const reader = await alice.anotherDevice({ initialSyncLimit: 4 });
    const room = reader.room(roomId);
    assert.deepEqual(reader.texts(roomId), verses.slice(-4));

    while (room.oldState.paginationToken !== null) await reader.client.scrollback(room, 7);

    assert.deepEqual(reader.texts(roomId), verses);
    assert.equal(room.getLiveTimeline().getEvents()[0].getType(), "m.room.create");
});

story("members are loaded when they are needed", async () => {
    const alice = await Person.register("alice");
    const silent = await Promise.all(["bob", "carol", "dan"].map((name) => Person.register(name)));
    const roomId = await roomOf(alice, ...silent);
    for (const number of [1, 2, 3]) await alice.say(roomId, `Is anybody there? ${number}`);
    const reader = await alice.anotherDevice({ initialSyncLimit: 2 });
    const room = reader.room(roomId);
    const senders = room.getLiveTimeline().getEvents().map((event) => event.getSender());
    assert.deepEqual(senders, [alice.userId, alice.userId]);
    assert.equal(room.getJoinedMemberCount(), 4);

    await room.loadMembersIfNeeded();

    const everybody = [alice, ...silent].map((one) => one.userId).sort();
    assert.deepEqual(room.getJoinedMembers().map((member) => member.userId).sort(), everybody);
});

story("without lazy loading all members come with the room", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);

    const reader = await alice.anotherDevice({ initialSyncLimit: 1, lazyLoadMembers: false });

    const members = reader.room(roomId).getJoinedMembers().map((member) => member.userId);
    assert.deepEqual(members.sort(), [alice.userId, bob.userId].sort());
});

story("a place in the past is opened and read in both directions", async () => {
    const alice = await Person.register("alice");
    const roomId = await roomOf(alice);
    const sent = [];
    for (let number = 0; number < 20; number++) sent.push(await alice.say(roomId, `${number}`));
    const reader = await alice.anotherDevice({ initialSyncLimit: 2 });
    const { client } = reader;
    const set = reader.room(roomId).getUnfilteredTimelineSet();

    const timeline = await client.getEventTimeline(set, sent[9]);
    assert.ok(timeline.getEvents().some((event) => event.getId() === sent[9]));
    while (await client.paginateEventTimeline(timeline, { backwards: true, limit: 5 }));
    while (await client.paginateEventTimeline(timeline, { backwards: false, limit: 5 }));

    // The last messages are in the live timeline, which this one has met.
    const next = timeline.getNeighbouringTimeline(EventTimeline.FORWARDS);
    const found = [...timeline.getEvents(), ...(next?.getEvents() ?? [])]
        .filter((event) => event.getType() === "m.room.message")
        .map((event) => event.getId());
    assert.deepEqual(found, sent);
});

story("what was said while somebody was away is shown, and the gap is loaded", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    await bob.untilEvent(roomId, await alice.say(roomId, "Before"));
    bob.client.stopClient();
    for (let number = 0; number < 40; number++) await alice.say(roomId, `While away ${number}`);

    const back = await bob.anotherDevice({ initialSyncLimit: 10 });

    assert.equal(back.texts(roomId).at(-1), "While away 39");
    const room = back.room(roomId);
    while (!back.texts(roomId).includes("Before")) await back.client.scrollback(room, 15);
    assert.equal(back.texts(roomId).length, 41);
});

story("public rooms are found by their name", async () => {
    const alice = await Person.register("alice");
    const name = `Croquet ${alice.userId}`;
    const { room_id: roomId } = await alice.client.createRoom({
        name,
        preset: "public_chat",
        visibility: "public",
    });
    const bob = await Person.register("bob");

    const found = await bob.client.publicRooms({ filter: { generic_search_term: name } });

    assert.deepEqual(found.chunk.map((room) => room.room_id), [roomId]);
    await bob.client.joinRoom(roomId);
    await bob.eventually(() => bob.room(roomId)?.name === name);
});

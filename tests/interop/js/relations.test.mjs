// Messages that refer to others, and rooms that refer to rooms.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { RoomHierarchy } from "matrix-js-sdk/lib/room-hierarchy.js";
import { Person, roomOf, stopEverybody, story } from "./people.mjs";

afterEach(stopEverybody);

function edit(eventId, text) {
    return {
        msgtype: "m.text",
        body: `* ${text}`,
        "m.new_content": { msgtype: "m.text", body: text },
        "m.relates_to": { rel_type: "m.replace", event_id: eventId },
    };
}

function reaction(eventId, key) {
    return { "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key } };
}

story("an edited message shows its new text, live and to who comes later", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const eventId = await alice.say(roomId, "The Mad Hater");
    const seen = await bob.untilEvent(roomId, eventId);

    await alice.client.sendMessage(roomId, edit(eventId, "The Mad Hatter"));

    await bob.eventually(() => seen.getContent().body === "The Mad Hatter");
    for (let number = 0; number < 5; number++) await alice.say(roomId, `${number}`);
    const later = await bob.anotherDevice({ initialSyncLimit: 2 });
    const timeline = await later.client.getEventTimeline(
        later.room(roomId).getUnfilteredTimelineSet(),
        eventId,
    );
    const found = timeline.getEvents().find((event) => event.getId() === eventId);
    assert.equal(found.getContent().body, "The Mad Hatter");
});

story("reactions are counted", async () => {
    const alice = await Person.register("alice");
    const bob = await Person.register("bob");
    const roomId = await roomOf(alice, bob);
    const eventId = await alice.say(roomId, "Jam to-morrow");
    await bob.untilEvent(roomId, eventId);

    await alice.client.sendEvent(roomId, "m.reaction", reaction(eventId, "👍"));
    await bob.client.sendEvent(roomId, "m.reaction", reaction(eventId, "👍"));
    await bob.client.sendEvent(roomId, "m.reaction", reaction(eventId, "🫖"));

    const relations = () =>
        alice
            .room(roomId)
            .relations.getChildEventsForEvent(eventId, "m.annotation", "m.reaction")
            ?.getSortedAnnotationsByKey()
            ?.map(([key, events]) => [key, events.size]);
    await alice.eventually(() => relations()?.length === 2 && relations()[0][1] === 2);
    assert.deepEqual(relations(), [["👍", 2], ["🫖", 1]]);
    const asked = await bob.client.relations(roomId, eventId, "m.annotation", "m.reaction");
    assert.equal(asked.events.length, 3);
});

story("the same reaction twice is refused", async () => {
    const alice = await Person.register("alice");
    const roomId = await roomOf(alice);
    const eventId = await alice.say(roomId, "Jam yesterday");
    await alice.client.sendEvent(roomId, "m.reaction", reaction(eventId, "👍"));

    await assert.rejects(alice.client.sendEvent(roomId, "m.reaction", reaction(eventId, "👍")), {
        errcode: "M_DUPLICATE_ANNOTATION",
    });
});

story("a space shows its rooms, and those of spaces in it", async () => {
    const alice = await Person.register("alice");
    const space = async (name) =>
        (await alice.client.createRoom({ name, creation_content: { type: "m.space" } })).room_id;
    const room = async (name) =>
        (await alice.client.createRoom({ name, preset: "public_chat" })).room_id;
    const holds = (parent, child) =>
        alice.client.sendStateEvent(parent, "m.space.child", { via: ["localhost"] }, child);
    const wonderland = await space("Wonderland");
    const court = await space("Court");
    const tea = await room("Tea");
    const croquet = await room("Croquet");
    await holds(wonderland, tea);
    await holds(wonderland, court);
    await holds(court, croquet);
    await alice.eventually(() => alice.room(wonderland)?.isSpaceRoom());

    const hierarchy = new RoomHierarchy(alice.room(wonderland), 2);
    while (hierarchy.canLoadMore) await hierarchy.load();

    const names = hierarchy.rooms.map((one) => one.name).sort();
    assert.deepEqual(names, ["Court", "Croquet", "Tea", "Wonderland"]);
});

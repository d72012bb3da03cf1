// A web client in a real browser and one in Node send each other pictures that are encrypted.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { Browser } from "./browser.mjs";
import { PASSWORD, Person, SERVER, stopEverybody, story } from "./people.mjs";
import { seenPicture, sendPicture, storedPicture } from "./pictures.mjs";

afterEach(stopEverybody);

story("a browser makes an encrypted room, sends a picture, and sees the answer", async () => {
    const user = (await Person.register("alice")).name;
    const bob = await Person.register("bob", { encrypts: true });
    const invited = bob.eventually(() => bob.client.getRooms()[0]?.roomId);
    const browser = await Browser.open("picture.page.mjs", {
        server: SERVER,
        user,
        password: PASSWORD,
        guest: bob.userId,
    });
    await bob.client.joinRoom(await invited);

    const { roomId, eventId, picture } = await browser.told();
    const event = await bob.untilEvent(roomId, eventId);
    await bob.eventually(() => event.getContent().msgtype === "m.image");
    const seen = await seenPicture(bob.client, event);
    assert.deepEqual([...new Uint8Array(seen)], picture);
    const stored = await storedPicture(bob.client, event.getContent().file.url);
    assert.notDeepEqual([...new Uint8Array(stored)], picture);

    await sendPicture(bob.client, roomId, seen);
    const { sizes } = await browser.told();
    assert.deepEqual(sizes, [[320, 200], [320, 200]]);
    browser.close();
});

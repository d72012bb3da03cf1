// A device that nobody is logged in on takes the keys of messages for the next one that is.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/index.js";
import { Person, encryptedRoomOf, stopEverybody, story } from "./people.mjs";
import { setUpSecrets } from "./secrets.mjs";

const ENCRYPTS = { encrypts: true };

afterEach(stopEverybody);

// The user's dehydrated devices as the server shows them.
async function dehydrated({ client, userId }) {
    const { device_keys: found } = await client.downloadKeysForUsers([userId]);
    const devices = Object.values(found[userId]).filter((device) => device.dehydrated);
    return devices.map((device) => device.device_id);
}

story("what is said while a user has no device is read by the next one", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    await setUpSecrets(alice);
    assert.ok(await alice.crypto.isDehydrationSupported());
    await alice.crypto.startDehydration();
    const roomId = await encryptedRoomOf(alice, bob);
    await bob.say(roomId, "To both of your devices");
    await alice.untilTexts(roomId, 1);

    alice.client.stopClient();
    await alice.client.logout();
    await bob.say(roomId, "To none of your devices");
    const next = await alice.anotherDevice({ ...ENCRYPTS, recoveryKey: alice.recoveryKey });
    assert.ok(await next.crypto.userHasCrossSigningKeys(next.userId, true));
    await next.crypto.bootstrapCrossSigning({});
    await next.crypto.startDehydration();
    await next.client.scrollback(next.room(roomId));

    const said = ["To both of your devices", "To none of your devices"];
    assert.deepEqual(await next.untilTexts(roomId, 2), said);
});

story("a further dehydrated device replaces the one before", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    await setUpSecrets(alice);
    const uploaded = [];
    alice.client.on(CryptoEvent.DehydratedDeviceUploaded, () => uploaded.push("uploaded"));

    await alice.crypto.startDehydration();
    const first = await dehydrated(alice);
    await alice.crypto.startDehydration();
    const second = await dehydrated(alice);

    assert.equal(uploaded.length, 2);
    assert.deepEqual([first.length, second.length], [1, 1]);
    assert.notDeepEqual(first, second);
});

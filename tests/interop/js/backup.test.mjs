// What a user finds again on a new device, with nothing but a password and a recovery key.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { Person, encryptedRoomOf, stopEverybody, story } from "./people.mjs";
import { openSecrets, setUpSecrets } from "./secrets.mjs";

const ENCRYPTS = { encrypts: true };

afterEach(stopEverybody);

// What the server knows of the backup; the SDK only remembers what it has once asked for. It
// takes up to 10 s before it uploads a key.
function storedBackup({ client }) {
    return client.http.authedRequest("GET", "/room_keys/version");
}

story("a new login opens the secret storage and signs itself with what is there", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    await setUpSecrets(alice);
    assert.ok(await alice.crypto.isSecretStorageReady());
    const later = await alice.anotherDevice({ ...ENCRYPTS, recoveryKey: alice.recoveryKey });

    await openSecrets(later);

    assert.ok(await later.crypto.isCrossSigningReady());
    const other = await alice.anotherDevice(ENCRYPTS);
    await other.eventuallyIs(async () => {
        const laterId = later.client.getDeviceId();
        const status = await other.crypto.getDeviceVerificationStatus(alice.userId, laterId);
        return status?.signedByOwner;
    });
});

story("a new login restores the key backup and reads the history", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);
    await setUpSecrets(alice, { backup: true });
    const said = ["One", "Two", "Three"];
    for (const text of said) {
        const speaker = text === "Two" ? alice : bob;
        const eventId = await speaker.say(roomId, text);
        for (const one of [alice, bob]) await one.untilEvent(roomId, eventId);
    }
    await alice.untilTexts(roomId, said.length);
    await alice.eventuallyIs(async () => (await storedBackup(alice)).count === 2);
    await alice.client.logout(true);

    const later = await alice.anotherDevice({ ...ENCRYPTS, recoveryKey: alice.recoveryKey });
    await openSecrets(later);
    await later.crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    const restored = await later.crypto.restoreKeyBackup();

    assert.equal(restored.imported, 2);
    assert.deepEqual(await later.untilTexts(roomId, said.length), said);
    await bob.say(roomId, "Four");
    assert.deepEqual(await later.untilTexts(roomId, 4), [...said, "Four"]);
});

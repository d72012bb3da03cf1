// Devices of a user prove to each other who they are.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { Person, stopEverybody, story } from "./people.mjs";
import { compareEmoji, nextRequest, setUpSecrets } from "./secrets.mjs";

const ENCRYPTS = { encrypts: true };

afterEach(stopEverybody);

story("a new device is verified by comparing emoji, and gets the user's secrets", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    await setUpSecrets(alice);
    const phone = await alice.anotherDevice(ENCRYPTS);
    const phoneId = phone.client.getDeviceId();
    await alice.eventuallyIs(async () => {
        // Asks for the keys of all own devices.
        await alice.crypto.userHasCrossSigningKeys();
        const devices = await alice.crypto.getUserDeviceInfo([alice.userId]);
        return devices.get(alice.userId).has(phoneId);
    });

    const received = nextRequest(alice);
    const asking = await phone.crypto.requestOwnUserVerification();
    await compareEmoji(asking, await received);

    await phone.eventuallyIs(async () => {
        const { privateKeysCachedLocally } = await phone.crypto.getCrossSigningStatus();
        return Object.values(privateKeysCachedLocally).every(Boolean);
    });
    const other = await alice.anotherDevice(ENCRYPTS);
    await other.eventuallyIs(async () => {
        const status = await other.crypto.getDeviceVerificationStatus(alice.userId, phoneId);
        return status?.signedByOwner;
    });
});

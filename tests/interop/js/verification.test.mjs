// Users and their devices prove to each other who they are.
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { Person, encryptedRoomOf, stopEverybody, story } from "./people.mjs";
import { compareEmoji, nextRequest, openSecrets, setUpSecrets } from "./secrets.mjs";

const ENCRYPTS = { encrypts: true };

afterEach(stopEverybody);

story("a new device is verified by comparing emoji, and gets the user's secrets", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);
    await setUpSecrets(alice);
    const phone = await alice.anotherDevice(ENCRYPTS);
    const phoneId = phone.client.getDeviceId();

    const received = nextRequest(alice);
    const asking = await phone.crypto.requestOwnUserVerification();
    await compareEmoji(asking, await received);

    await phone.eventuallyIs(async () => {
        const { privateKeysCachedLocally } = await phone.crypto.getCrossSigningStatus();
        return Object.values(privateKeysCachedLocally).every(Boolean);
    });
    for (const somebody of [alice, phone, bob]) {
        await somebody.eventuallyIs(async () => {
            const asks = somebody.crypto;
            const status = await asks.getDeviceVerificationStatus(alice.userId, phoneId);
            return status?.signedByOwner;
        });
    }
    await phone.say(roomId, "From my phone");
    assert.deepEqual(await bob.untilTexts(roomId, 1), ["From my phone"]);
});

story("two users verify each other, and all their devices know it", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);
    for (const one of [alice, bob]) await setUpSecrets(one);
    const phone = await alice.anotherDevice({ ...ENCRYPTS, recoveryKey: alice.recoveryKey });
    await openSecrets(phone);
    for (const [one, other] of [[alice, bob], [bob, alice]]) {
        await one.eventuallyIs(() => one.crypto.userHasCrossSigningKeys(other.userId));
    }

    const received = nextRequest(bob);
    const asking = await alice.crypto.requestVerificationDM(bob.userId, roomId);
    await compareEmoji(asking, await received);

    for (const [one, other] of [[alice, bob], [bob, alice], [phone, bob]]) {
        await one.eventuallyIs(async () => {
            const status = await one.crypto.getUserVerificationStatus(other.userId);
            return status.isCrossSigningVerified();
        });
    }
});

story("a user whose cross-signing keys are replaced is no longer verified", async () => {
    const alice = await Person.register("alice", ENCRYPTS);
    const bob = await Person.register("bob", ENCRYPTS);
    const roomId = await encryptedRoomOf(alice, bob);
    for (const one of [alice, bob]) await setUpSecrets(one);
    await alice.eventuallyIs(() => alice.crypto.userHasCrossSigningKeys(bob.userId));
    await bob.eventuallyIs(() => bob.crypto.userHasCrossSigningKeys(alice.userId));
    const received = nextRequest(bob);
    const asking = await alice.crypto.requestVerificationDM(bob.userId, roomId);
    await compareEmoji(asking, await received);
    const status = () => alice.crypto.getUserVerificationStatus(bob.userId);
    await alice.eventuallyIs(async () => (await status()).isCrossSigningVerified());

    await bob.crypto.bootstrapCrossSigning({
        setupNewCrossSigning: true,
        authUploadDeviceSigningKeys: (makeRequest) => bob.withPassword(makeRequest),
    });

    await alice.eventuallyIs(async () => {
        const now = await status();
        return !now.isCrossSigningVerified() && now.wasCrossSigningVerified();
    });
});

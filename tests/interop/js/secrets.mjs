// What keeps a user's keys: cross-signing, the secret storage, the backup; and how users compare.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import {
    CryptoEvent,
    VerificationPhase,
    VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";

// Makes cross-signing keys, and a secret storage with them that the recovery key opens.
export async function setUpSecrets(person, { backup = false } = {}) {
    await person.crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (makeRequest) => makeRequest(null),
    });
    person.recoveryKey = await person.crypto.createRecoveryKeyFromPassphrase();
    await person.crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => person.recoveryKey,
        setupNewKeyBackup: backup,
    });
}

// Signs a new device with the keys in the secret storage, once it knows that the user has some.
export async function openSecrets(person) {
    await person.eventuallyIs(() => person.crypto.userHasCrossSigningKeys());
    await person.crypto.bootstrapCrossSigning({});
}

// Resolves with the next verification that somebody asks this person for.
export async function nextRequest(person) {
    const [request] = await person.until(CryptoEvent.VerificationRequestReceived);
    return request;
}

// Verifies by SAS: one has asked, the other was asked, and both see the same emoji.
export async function compareEmoji(asking, asked) {
    await asked.accept();
    await untilPhase(asking, VerificationPhase.Ready);
    const verifiers = [await asking.startVerification("m.sas.v1")];
    await untilPhase(asked, VerificationPhase.Started);
    verifiers.push(asked.verifier);

    const shown = verifiers.map(untilShown);
    const verified = Promise.all(verifiers.map((verifier) => verifier.verify()));
    const [here, there] = await Promise.all(shown);
    assert.deepEqual(here.sas.emoji, there.sas.emoji);
    assert.equal(here.sas.emoji.length, 7);
    await Promise.all([here.confirm(), there.confirm()]);
    await verified;
}

function untilShown(verifier) {
    return new Promise((resolve) => verifier.once(VerifierEvent.ShowSas, resolve));
}

async function untilPhase(request, phase) {
    while (request.phase !== phase) {
        assert.notEqual(request.phase, VerificationPhase.Cancelled, request.cancellationCode);
        await setTimeout(20);
    }
}

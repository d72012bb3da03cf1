// What keeps a user's keys: cross-signing, and the secret storage.

// Makes cross-signing keys, and a secret storage with them that the recovery key opens.
export async function setUpSecrets(person) {
    await person.crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (makeRequest) => makeRequest(null),
    });
    person.recoveryKey = await person.crypto.createRecoveryKeyFromPassphrase();
    await person.crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => person.recoveryKey,
    });
}

// Somebody who talks through matrix-js-sdk, and what the tests wait for.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import * as sdk from "matrix-js-sdk";

export const SERVER = process.env.XYLEM_URL;
const EXCHANGES = process.env.XYLEM_EXCHANGES;
export const PASSWORD = "down the rabbit hole";
const running = new Set();
let names = 0;

// The SDK tells everything that it does; what goes wrong fails a test anyway.
const nothing = () => {};
const quiet = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
quiet.getChild = () => quiet;

// Fetches like a browser, and writes each answer down for who checks it.
async function recordingFetch(input, init) {
    const response = await fetch(input, init);
    const { pathname, search } = new URL(String(input));
    const body = Buffer.from(await response.arrayBuffer());
    const exchange = {
        method: init?.method ?? "GET",
        target: pathname + search,
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: body.toString("utf8"),
    };
    appendFileSync(EXCHANGES, JSON.stringify(exchange) + "\n");
    const { status, headers } = response;
    return new Response(body, { status, headers });
}

function createClient(options = {}) {
    return sdk.createClient({
        baseUrl: SERVER,
        fetchFn: recordingFetch,
        logger: quiet,
        timelineSupport: true,
        ...options,
    });
}

// A test that gives up before pytest does, so that it can say what it waited for.
export function story(name, tell) {
    test(name, { timeout: 60_000 }, tell);
}

export class Person {
    constructor(name, client) {
        this.name = name;
        this.client = client;
        this.userId = client.getUserId();
    }

    // Registers somebody new whose name begins like this, and starts to sync.
    static async register(name, options) {
        const fullName = `${name}.${process.pid}.${names++}`;
        const registering = createClient();
        await registering.register(fullName, PASSWORD, null, { type: "m.login.dummy" });
        return Person.login(fullName, options);
    }

    // Logs a device in and starts to sync; returns once the rooms are known. One that encrypts
    // keeps its keys in memory; with the recovery key it can open the user's secret storage.
    static async login(name, { encrypts = false, recoveryKey, ...options } = {}) {
        const answer = await createClient().loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user: name },
            password: PASSWORD,
        });
        const client = createClient({
            accessToken: answer.access_token,
            deviceId: answer.device_id,
            userId: answer.user_id,
            cryptoCallbacks: { getSecretStorageKey: ({ keys }) => person.unlock(keys) },
        });
        const person = new Person(name, client);
        person.recoveryKey = recoveryKey;
        running.add(person);
        if (encrypts) await client.initRustCrypto({ useIndexedDB: false });
        const prepared = person.until(sdk.ClientEvent.Sync, (state) => state === "PREPARED");
        await client.startClient({ lazyLoadMembers: true, threadSupport: true, ...options });
        await prepared;
        return person;
    }

    // Another device of the same user.
    anotherDevice(options) {
        return Person.login(this.name, options);
    }

    // The same device without a sync loop. The SDK trips over its own message in a thread when
    // sync tells of it before the request to send it is answered, which a server may do.
    pen() {
        return createClient({
            accessToken: this.client.getAccessToken(),
            deviceId: this.client.getDeviceId(),
            userId: this.userId,
        });
    }

    // Resolves when the client emits such an event.
    until(event, isMeant = () => true) {
        return new Promise((resolve) => {
            const listener = (...told) => {
                if (isMeant(...told)) {
                    this.client.off(event, listener);
                    resolve(told);
                }
            };
            this.client.on(event, listener);
        });
    }

    // Resolves with what is found, once there is something. The SDK goes on after a sync, with
    // requests of its own, and does not tell when it is done: hence the looking again.
    async eventually(find) {
        for (;;) {
            const found = find();
            if (found) return found;
            await setTimeout(20);
        }
    }

    // The same where the client has to be asked and answers later.
    async eventuallyIs(holds) {
        while (!(await holds())) await setTimeout(20);
    }

    get crypto() {
        return this.client.getCrypto();
    }

    // Makes a request that wants the user's password besides.
    async withPassword(makeRequest) {
        const asked = await makeRequest(null).then(
            () => assert.fail("no password was asked for"),
            (refused) => refused.data,
        );
        return makeRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user: this.name },
            password: PASSWORD,
            session: asked.session,
        });
    }

    // Says what opens the secret storage, as a user would who is asked for it.
    async unlock(keys) {
        const [keyId] = Object.keys(keys);
        return this.recoveryKey ? [keyId, this.recoveryKey.privateKey] : null;
    }

    room(roomId) {
        return this.client.getRoom(roomId);
    }

    // The texts of the messages that the client shows of a room, and can read.
    texts(roomId) {
        const events = this.room(roomId)?.getLiveTimeline().getEvents() ?? [];
        return events
            .filter((event) => event.getType() === "m.room.message" && !event.isRedacted())
            .filter((event) => !event.isDecryptionFailure())
            .map((event) => event.getContent().body);
    }

    untilMember(roomId, userId, membership = "join") {
        return this.eventually(
            () => this.room(roomId)?.getMember(userId)?.membership === membership,
        );
    }

    // The texts, once there are as many: what is encrypted may show later than it comes.
    untilTexts(roomId, number) {
        return this.eventually(() => {
            const texts = this.texts(roomId);
            return texts.length >= number ? texts : undefined;
        });
    }

    // Resolves with the event once the client shows it.
    untilEvent(roomId, eventId) {
        return this.eventually(() => {
            const event = this.room(roomId)?.findEventById(eventId);
            return event?.status === null ? event : undefined;
        });
    }

    async say(roomId, text) {
        return (await this.client.sendTextMessage(roomId, text)).event_id;
    }
}

// Makes a room of the host's that the guests have joined, and everybody knows it.
export function roomOf(host, ...guests) {
    return roomWith([], host, ...guests);
}

// Makes such a room in which everything that is said is encrypted.
export function encryptedRoomOf(host, ...guests) {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    return roomWith([{ type: "m.room.encryption", content }], host, ...guests);
}

async function roomWith(initialState, host, ...guests) {
    const { room_id: roomId } = await host.client.createRoom({
        preset: "private_chat",
        invite: guests.map((guest) => guest.userId),
        initial_state: initialState,
    });
    for (const guest of guests) {
        await guest.eventually(() => guest.room(roomId)?.getMyMembership() === "invite");
        await guest.client.joinRoom(roomId);
    }
    for (const one of [host, ...guests]) {
        await one.eventually(() => one.room(roomId)?.getMyMembership() === "join");
        for (const guest of guests) await host.untilMember(roomId, guest.userId);
    }
    return roomId;
}

export function stopEverybody() {
    for (const person of running) person.client.stopClient();
    running.clear();
}

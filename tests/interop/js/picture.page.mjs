// A small web client in a browser: its user makes an encrypted room and sends a picture into it.
import * as sdk from "matrix-js-sdk";
import { seenPicture, sendPicture } from "./pictures.mjs";

const { user, password, guest, server } = Object.fromEntries(new URLSearchParams(location.search));

async function tell(what) {
    await fetch("/told", { method: "POST", body: JSON.stringify(what) });
}

async function logIn() {
    const login = {
        type: "m.login.password",
        identifier: { type: "m.id.user", user },
        password,
    };
    const answer = await sdk.createClient({ baseUrl: server }).loginRequest(login);
    const client = sdk.createClient({
        baseUrl: server,
        accessToken: answer.access_token,
        deviceId: answer.device_id,
        userId: answer.user_id,
    });
    await client.initRustCrypto();
    await client.startClient();
    await until(client, sdk.ClientEvent.Sync, (state) => state === "PREPARED");
    return client;
}

function until(client, event, isMeant) {
    return new Promise((resolve) => {
        client.on(event, (...told) => isMeant(...told) && resolve(told));
    });
}

async function roomWithGuest(client) {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    const joined = until(
        client,
        sdk.RoomMemberEvent.Membership,
        (_event, member) => member.userId === guest && member.membership === "join",
    );
    const { room_id: roomId } = await client.createRoom({
        preset: "private_chat",
        invite: [guest],
        initial_state: [{ type: "m.room.encryption", content }],
    });
    await joined;
    return roomId;
}

// Draws what the camera of a phone would have taken.
async function drawnPicture() {
    const canvas = new OffscreenCanvas(320, 200);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "rebeccapurple";
    pen.fillRect(0, 0, 320, 200);
    pen.fillStyle = "gold";
    pen.fillRect(40, 40, 240, 120);
    return (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer();
}

// Shows the picture of an event as a web client does, and returns how large it is on the screen.
async function shown(client, event) {
    const bytes = await seenPicture(client, event);
    const image = document.createElement("img");
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    document.body.append(image);
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
}

try {
    const client = await logIn();
    const roomId = await roomWithGuest(client);
    const picture = await drawnPicture();
    // What comes back from the server is shown, of the own picture and of the guest's.
    const pictures = [];
    const both = until(client, sdk.MatrixEventEvent.Decrypted, (event) => {
        if (event.getContent().msgtype === "m.image") pictures.push(event);
        return pictures.length === 2;
    });
    const eventId = await sendPicture(client, roomId, picture);
    await tell({ roomId, eventId, picture: [...new Uint8Array(picture)] });
    await both;
    const sizes = [];
    for (const event of pictures) sizes.push(await shown(client, event));
    await tell({ sizes });
} catch (error) {
    await tell({ error: `${error.stack ?? error}` });
}

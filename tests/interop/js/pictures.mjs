// Pictures in encrypted rooms: the server keeps bytes that it cannot read.
import { decryptAttachment, encryptAttachment } from "matrix-encrypt-attachment";

// Encrypts and uploads a PNG, tells the room of it, and returns the event's ID.
export async function sendPicture(client, roomId, picture) {
    const { data, info } = await encryptAttachment(picture);
    const type = "application/octet-stream";
    const { content_uri: url } = await client.uploadContent(new Blob([data], { type }), { type });
    const sent = await client.sendMessage(roomId, {
        msgtype: "m.image",
        body: "picture.png",
        info: { mimetype: "image/png", size: picture.byteLength },
        file: { ...info, url },
    });
    return sent.event_id;
}

// Downloads the picture of an event with the access token, and decrypts it.
export async function seenPicture(client, event) {
    const { file } = event.getContent();
    return decryptAttachment(await storedPicture(client, file.url), file);
}

// Returns what the server keeps.
export async function storedPicture(client, url) {
    const address = client.mxcUrlToHttp(url, undefined, undefined, undefined, false, true, true);
    const headers = { Authorization: `Bearer ${client.getAccessToken()}` };
    const answer = await fetch(address, { headers });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.arrayBuffer();
}

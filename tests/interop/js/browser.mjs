// A page in a headless Chromium, from a web server of the test, which hears what the page tells.
import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const WASM = "/pkg/matrix_sdk_crypto_wasm_bg.wasm";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];

export class Browser {
    #told = [];
    #waiting = [];

    // Bundles a page's script with the SDK, and opens the page with these parameters.
    static async open(script, parameters) {
        const bundle = await build({
            entryPoints: [script],
            bundle: true,
            format: "esm",
            write: false,
            define: { global: "globalThis" },
        });
        const browser = new Browser();
        await browser.#serve(bundle.outputFiles[0].contents);
        const { port } = browser.server.address();
        const address = `http://127.0.0.1:${port}/?${new URLSearchParams(parameters)}`;
        const profile = `--user-data-dir=${mkdtempSync("profile-")}`;
        browser.process = spawn(process.env.XYLEM_CHROMIUM, [...FLAGS, profile, address]);
        process.on("exit", () => browser.close());
        return browser;
    }

    // Resolves with what the page tells next.
    async told() {
        while (!this.#told.length) await new Promise((resolve) => this.#waiting.push(resolve));
        const told = this.#told.shift();
        if (told.error) throw new Error(`In the browser: ${told.error}`);
        return told;
    }

    close() {
        this.process.kill("SIGKILL");
        this.server.close();
    }

    #serve(script) {
        const main = createRequire(import.meta.url).resolve("@matrix-org/matrix-sdk-crypto-wasm");
        this.server = createServer((request, response) => {
            const { pathname } = new URL(request.url, "http://127.0.0.1");
            if (pathname === "/told") {
                this.#hear(request, response);
            } else if (pathname === WASM) {
                response.setHeader("Content-Type", "application/wasm");
                createReadStream(join(dirname(main), WASM)).pipe(response);
            } else if (pathname === "/page.js") {
                response.setHeader("Content-Type", "text/javascript").end(script);
            } else {
                response.setHeader("Content-Type", "text/html");
                response.end('<!doctype html><body><script type="module" src="/page.js"></script>');
            }
        });
        return new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    }

    async #hear(request, response) {
        const parts = [];
        for await (const part of request) parts.push(part);
        response.end();
        this.#told.push(JSON.parse(Buffer.concat(parts).toString()));
        this.#waiting.splice(0).forEach((resolve) => resolve());
    }
}

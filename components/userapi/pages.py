"""Pages for clients that hand a stage or a login over to a web browser."""

import base64
import hashlib
from html import escape
from typing import Final

from base.http import Response

DONE_SCRIPT: Final = """\
if (window.onAuthDone) {
    window.onAuthDone();
} else if (window.opener && window.opener.postMessage) {
    window.opener.postMessage("authDone", "*");
}
"""
"""Tells the client that the stage is complete; the words are those of the spec."""

LOGIN_SCRIPT: Final = """\
document.getElementById("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const problem = document.getElementById("problem");
    const body = {};
    for (const [name, value] of new URLSearchParams(window.location.search)) {
        if (["device_id", "initial_device_display_name"].includes(name)) {
            body[name] = value;
        } else if (name === "refresh_token") {
            body[name] = value === "true";
        }
    }
    body.type = "m.login.password";
    body.identifier = {type: "m.id.user", user: form.get("user")};
    body.password = form.get("password");
    try {
        const answer = await fetch("/_matrix/client/v3/login", {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify(body),
        });
        const login = await answer.json();
        if (!answer.ok) {
            problem.textContent = login.error || login.errcode;
            return;
        }
        problem.textContent = "You are logged in. You can close this page.";
        if (window.onLogin) {
            window.onLogin(login);
        }
    } catch (error) {
        problem.textContent = "The server cannot be reached. Try again.";
    }
});
"""

_STYLE: Final = """\
body { font-family: sans-serif; max-width: 24em; margin: 3em auto; padding: 0 1em; }
input, button { display: block; width: 100%; box-sizing: border-box; }
input, button { margin: .5em 0; padding: .5em; }
"""

_LOGIN: Final = """\
<form id="login">
<label>User name <input name="user" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required>
</label>
<button>Log in</button>
</form>
<p id="problem" role="status"></p>
"""

_TOKEN_FIELD: Final = """\
<label>Registration token <input name="token" autocomplete="off" required autofocus></label>
"""  # noqa: S105 (the field of a form)


_WELCOME: Final = """\
<p>This is <strong>{server_name}</strong>, a <a href="https://matrix.org">Matrix</a> homeserver.
It runs Xylem {version}.</p>
<p>To use it, take a Matrix client and enter {address} as the homeserver. {accounts}</p>
<p>Bots and clients that do without end-to-end encryption work: those made with matrix-nio or
matrix-js-sdk, for example. Clients that encrypt by default, such as Element, need more of
encryption than this version has yet.</p>
"""
_ACCOUNTS: Final = {
    "open": "Everybody can make an account there.",
    "token": "You need a registration token to make an account: ask the operator of this server.",
    "closed": "The operator of this server makes the accounts.",
}


def welcome_page(
    *, server_name: str, version: str, base_url: str | None, registration: str
) -> Response:
    """Return the page that says what is here, for who opens the server's address in a browser."""
    address = "this page's address" if base_url is None else f"<code>{escape(base_url)}</code>"
    body = _WELCOME.format(
        server_name=escape(server_name),
        version=escape(version),
        address=address,
        accounts=_ACCOUNTS[registration],
    )
    return _page("It works", body)


def login_page() -> Response:
    """Return the page that logs in by password and hands the login to `window.onLogin`."""
    return _page("Log in", _LOGIN, LOGIN_SCRIPT)


def stage_page(session_id: str, *, asks_for_token: bool, problem: str = "") -> Response:
    """Return the form of a stage, and why the last attempt failed."""
    said = f'<p role="alert">{escape(problem)}</p>\n' if problem else ""
    field = _TOKEN_FIELD if asks_for_token else ""
    hidden = f'<input type="hidden" name="session" value="{escape(session_id)}">'
    form = f'{said}<form method="post">\n{hidden}\n{field}<button>Continue</button>\n</form>\n'
    return _page("Register", form, status=401 if problem else 200)


def done_page() -> Response:
    """Return the page that tells the client that the stage is complete."""
    return _page("Done", "<p>Thank you. You can close this page.</p>\n", DONE_SCRIPT)


def problem_page(problem: str, status: int) -> Response:
    """Return a page that says what is wrong."""
    return _page("This does not work", f"<p>{escape(problem)}</p>\n", status=status)


def _page(title: str, body: str, script: str = "", *, status: int = 200) -> Response:
    scripts = f"<script>{script}</script>\n" if script else ""
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}{scripts}</body>\n</html>\n"
    )
    # Nothing runs on the page but what is written above, and nothing is sent elsewhere.
    policy = (
        f"default-src 'none'; style-src {_source(_STYLE)}; form-action 'self'; "
        f"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    if script:
        policy += f"; script-src {_source(script)}"
    return Response(
        page.encode(),
        status=status,
        content_type=b"text/html; charset=utf-8",
        headers=(
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
        ),
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""What somebody who has just started a server to try it out is told to do next."""


def welcome(base_url: str, server_name: str, *, command: str, config: str) -> str:
    """Return the first steps with a server that listens at `base_url`.

    `command` starts xylem, and `config` is the server's configuration file.
    """
    return f"""
Xylem runs at {base_url} as {server_name}. Registration is open; stop it with Ctrl-C.

Make an account, here carol with the password "wonderland":

  curl -s -X POST {base_url}/_matrix/client/v3/register -d \\
    '{{"username": "carol", "password": "wonderland", "auth": {{"type": "m.login.dummy"}}}}'

Open {base_url} in a browser to see that it runs, and which clients work with it. Manage accounts
from another terminal, for example make carol an administrator:

  {command} account promote carol --config {config}

README.md has a first conversation: two accounts, a room, a message, /sync.
"""

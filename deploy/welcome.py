"""What somebody who has just started a server to try it out is told to do next."""


def welcome(base_url: str, server_name: str) -> str:
    """Return the first steps with a server that listens at `base_url`."""
    return f"""
Xylem runs at {base_url} as {server_name}. Registration is open; stop it with Ctrl-C.

Make an account, here carol with the password "wonderland":

  curl -s -X POST {base_url}/_matrix/client/v3/register -d \\
    '{{"username": "carol", "password": "wonderland", "auth": {{"type": "m.login.dummy"}}}}'

Or take a Matrix client, such as Element or Cinny, and enter {base_url} as its homeserver.
README.md has a first conversation: two accounts, a room, a message, /sync.
"""

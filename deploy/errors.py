"""Why the server or a command refuses to start: one line, and what to do about it."""


class StartRefused(Exception):
    """The command cannot run as things are; whoever started it can change that."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(f"{message} ({advice})" if advice else message)
        self.message = message
        self.advice = advice


class SettingsInvalid(StartRefused):
    """The settings are not what they should be."""

"""Secrets that the settings hold themselves, or that a file does."""

from pathlib import Path

import pytest

from deploy.errors import StartRefused
from deploy.settings.secret_files import secret_of


def test_a_secret_is_what_the_setting_holds_or_the_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\n")

    assert secret_of("fedcba9876543210", "", "operators.token") == "fedcba9876543210"
    assert secret_of("", str(path), "operators.token") == "0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "operators.token or operators.token_path is not set"),
        ("short\n", "has fewer than 16 characters"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}" * 16, "cannot be read"),
    ],
)
def test_a_file_without_a_secret_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    with pytest.raises(StartRefused, match=message):
        secret_of("", str(path), "operators.token")

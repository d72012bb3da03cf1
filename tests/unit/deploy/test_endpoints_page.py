"""The page of endpoints says what the server answers."""

from tests.spec.endpoints import PAGE, endpoints_page


async def test_the_page_of_endpoints_is_what_the_routers_say() -> None:
    page = await endpoints_page()

    assert PAGE.read_text(encoding="utf-8") == page, "python -m tests.spec.endpoints"

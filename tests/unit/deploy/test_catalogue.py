"""Components together: who serves what, and who starts after whom."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import pytest

from describing.catalogue import Catalogue, CatalogueWrong
from describing.component import Component, InternalApi
from describing.ground import Ground
from describing.parts import ComponentParts


class Leaves(Protocol):
    """Tea leaves."""

    async def query_leaves(self) -> int: ...


class Water(Protocol):
    """Hot water."""

    async def query_water(self) -> int: ...


class NoSettings(msgspec.Struct):
    """Nothing to set."""


async def build(_ground: Ground) -> ComponentParts:
    return ComponentParts()


def component(
    name: str,
    number: int,
    *,
    serves: Sequence[Callable[..., Any]] = (),
    at_start: Sequence[Callable[..., Any]] = (),
    later: Sequence[Callable[..., Any]] = (),
) -> Component:
    return Component(
        name=name,
        title=name,
        number=number,
        settings=NoSettings,
        url_help=name,
        serves=[InternalApi(one) for one in serves],
        asks_at_start=at_start,
        asks_later=later,
        build=build,
    )


def started(catalogue: Catalogue) -> list[str]:
    return [one.name for one in catalogue.in_start_order(catalogue.names)]


def test_a_component_starts_after_those_that_it_asks_at_its_start() -> None:
    room = component("tearoom", 1, at_start=[Leaves])
    shop = component("shop", 2, serves=[Leaves])

    assert started(Catalogue([room, shop])) == ["shop", "tearoom"]


def test_who_is_asked_later_comes_first_where_that_can_be() -> None:
    room = component("tearoom", 1, later=[Leaves])
    shop = component("shop", 2, serves=[Leaves])

    assert started(Catalogue([room, shop])) == ["shop", "tearoom"]


def test_two_that_ask_each_other_start_if_one_does_so_later() -> None:
    shop = component("shop", 1, serves=[Leaves], at_start=[Water])
    well = component("well", 2, serves=[Water], later=[Leaves])

    assert started(Catalogue([shop, well])) == ["well", "shop"]


def test_a_circle_at_the_start_is_refused() -> None:
    shop = component("shop", 1, serves=[Leaves], at_start=[Water])
    well = component("well", 2, serves=[Water], at_start=[Leaves])

    with pytest.raises(CatalogueWrong, match="shop, well"):
        Catalogue([shop, well])


def test_what_nobody_serves_is_refused() -> None:
    with pytest.raises(CatalogueWrong, match="No component serves Leaves"):
        Catalogue([component("tearoom", 1, at_start=[Leaves])])


@pytest.mark.parametrize(
    "others",
    [
        [component("shop", 2)],
        [component("well", 1)],
        [component("well", 2, serves=[Leaves])],
    ],
)
def test_names_numbers_and_apis_are_given_once(others: list[Component]) -> None:
    with pytest.raises(CatalogueWrong):
        Catalogue([component("shop", 1, serves=[Leaves]), *others])


def test_a_component_asks_nobody_elsewhere_for_what_is_in_its_process() -> None:
    catalogue = Catalogue(
        [
            component("tearoom", 1, at_start=[Leaves], later=[Water]),
            component("shop", 2, serves=[Leaves]),
            component("well", 3, serves=[Water]),
        ]
    )

    assert catalogue.asked_elsewhere(["tearoom", "shop"]) == {"well"}
    assert catalogue.asked_at_start(["tearoom"]) == {"shop"}
    assert catalogue.asked_by("tearoom") == {"shop", "well"}

"""Which network addresses may be asked: none that is private, of this machine, or of no use."""

from collections.abc import Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

DENIED_NETWORKS: Final = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by the customers of a provider
    "127.0.0.0/8",  # this machine
    "169.254.0.0/16",  # this link, and what clouds tell their machines
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocols
    "192.0.2.0/24",  # examples
    "192.88.99.0/24",  # former relays of 6to4
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # measurements
    "198.51.100.0/24",  # examples
    "203.0.113.0/24",  # examples
    "224.0.0.0/4",  # groups
    "240.0.0.0/4",  # reserved, and all of this network
    # Of IPv6 only 2000::/3 is given to hosts of the internet.
    "::/3",
    "4000::/2",
    "8000::/1",
    "2001::/23",  # protocols, Teredo among them
    "2001:db8::/32",  # examples
    "2002::/16",  # 6to4
    "3fff::/20",  # examples
)
"""What is denied unless settings say otherwise: all that is not a host of the internet."""

_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""By these addresses hosts without IPv4 reach those that have nothing else (RFC 6052)."""
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


class AddressRules:
    """Tells which addresses are denied: those in the denied networks and in no allowed one.

    An IPv6 address that stands for one of IPv4 is judged as that one. Where it only has one in it,
    as in 6to4 and Teredo, both must pass.
    """

    def __init__(
        self, denied: Sequence[str] = DENIED_NETWORKS, allowed: Sequence[str] = ()
    ) -> None:
        """Take networks as text; raises `ValueError` for what is none."""
        self._denied: Final[list[Network]] = [ip_network(text) for text in denied]
        self._allowed: Final[list[Network]] = [ip_network(text) for text in allowed]

    def is_denied(self, text: str) -> bool:
        """Tell whether this address may not be asked; what is no address is denied."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return True
        return any(self._is_one_denied(one) for one in _judged(address))

    def _is_one_denied(self, address: Address) -> bool:
        return _is_in(address, self._denied) and not _is_in(address, self._allowed)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _judged(address: Address) -> Iterator[Address]:
    """Yield the addresses that must all pass for this one to pass."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address in _MAPPED or address in _TRANSLATED:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo

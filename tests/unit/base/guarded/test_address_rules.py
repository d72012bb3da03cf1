"""Which addresses a guarded client may ask."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.guarded.addresses import AddressRules

RULES = AddressRules()
TRANSLATED = IPv6Network("64:ff9b::/96")
IPV4 = st.ip_addresses(v=4)
INSIDE_IPV6 = {
    "mapped": lambda v4: int(IPv6Address("::ffff:0:0")) | v4,
    "nat64": lambda v4: int(IPv6Address("64:ff9b::")) | v4,
    "6to4": lambda v4: int(IPv6Address("2002::")) | v4 << 80,
    "teredo server": lambda v4: int(IPv6Address("2001::")) | v4 << 64,
    "teredo client": lambda v4: int(IPv6Address("2001::")) | v4 ^ 0xFFFF_FFFF,
}


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.31.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "127.1",
        "2130706433",
        "localhost",
        "",
    ],
)
def test_what_is_no_host_of_the_internet_is_denied(address: str) -> None:
    assert RULES.is_denied(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.215.14",
        "100.63.255.255",
        "172.32.0.1",
        "2606:4700::1",
        "64:ff9b::101:101",
    ],
)
def test_hosts_of_the_internet_are_allowed(address: str) -> None:
    assert not RULES.is_denied(address)


@given(st.ip_addresses())
def test_whatever_the_registries_do_not_call_global_is_denied(
    address: IPv4Address | IPv6Address,
) -> None:
    is_translated = address.version == 6 and address in TRANSLATED

    if not is_translated and (not address.is_global or address.is_multicast):
        assert RULES.is_denied(str(address))


@given(IPV4, st.sampled_from(sorted(INSIDE_IPV6)))
def test_an_address_that_is_denied_is_denied_inside_of_ipv6(
    address: IPv4Address, form: str
) -> None:
    inside = IPv6Address(INSIDE_IPV6[form](int(address)))
    rules = AddressRules(allowed=["2002::/16", "2001::/32", "64:ff9b::/96"])

    if RULES.is_denied(str(address)):
        assert rules.is_denied(str(inside))
        assert RULES.is_denied(str(inside))


@given(IPV4)
def test_an_address_that_stands_for_one_of_ipv4_is_judged_as_that_one(address: IPv4Address) -> None:
    for form in ("mapped", "nat64"):
        inside = IPv6Address(INSIDE_IPV6[form](int(address)))

        assert RULES.is_denied(str(inside)) == RULES.is_denied(str(address))


@given(st.ip_addresses(), st.integers(0, 32))
def test_an_allowed_network_is_an_exception_from_a_denied_one(
    address: IPv4Address | IPv6Address, prefix: int
) -> None:
    text = str(address)
    network = f"{text}/{prefix if address.version == 4 else 4 * prefix}"
    rules = AddressRules(denied=["0.0.0.0/0", "::/0"], allowed=[_start_of(network)])

    if address.version == 4:
        assert not rules.is_denied(text)
        assert not rules.is_denied(f"::ffff:{text}")
    assert AddressRules(denied=["0.0.0.0/0", "::/0"]).is_denied(text)


@given(st.text())
def test_what_is_no_address_is_denied(text: str) -> None:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        assert RULES.is_denied(text)


def test_settings_that_are_no_networks_are_refused() -> None:
    for wrong in ("10.0.0.1/8", "example.com", "1.2.3.4/33", ""):
        with pytest.raises(ValueError, match=r"."):
            AddressRules(denied=[wrong])


def _start_of(network: str) -> str:
    return str(ip_network(network, strict=False))

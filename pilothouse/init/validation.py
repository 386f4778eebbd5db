"""What of the settings cannot be, found before anything is written. Rules and words are kubeadm's where it has them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from apiserver.storage.keys import root_of
from machinery.objects import names, timefmt
from machinery.pki.tls import TlsFiles
from pilothouse.init import tokens
from pilothouse.init.external_etcd import servers
from pilothouse.init.settings import InitError, InitSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LEAST_ADDRESSES = 10
"""Of a range: kubeadm's MinimumAddressesInServiceSubnet and MinimumAddressesInPodSubnet."""
SERVICE_BITS = 20
"""Most bits that tell the addresses of services apart."""
NODE_MASKS = {4: 24, 6: 64}
"""Prefix length of a node's part of the pods' range, by IP version: the controller's defaults."""
NODE_MASK_DIFFERENCE = 16
"""Most bits that tell the nodes' parts apart."""


def check(settings: InitSettings) -> None:
    """Raises InitError with a line for each flag whose value cannot be."""
    problems = [f'--{flag}: Invalid value: "{value}": {reason}' for flag, value, reason in _problems(settings)]
    if problems:
        raise InitError("\n".join(problems))


def _problems(settings: InitSettings) -> Iterator[tuple[str, str, str]]:
    """(flag, value, what is wrong with it)."""
    yield from _address(settings)
    services, pods = _parsed([settings.service_cidr]), _parsed(settings.pod_network_cidr.split(","))
    yield from _services(settings.service_cidr, services)
    yield from _pods(settings.pod_network_cidr, pods)
    if not isinstance(services, str) and not isinstance(pods, str):
        for network in pods:
            if network.overlaps(services[0]):
                yield "pod-network-cidr", str(network), f"overlaps with the addresses of services, {services[0]}"
    for name in settings.cert_names:
        if reason := _name(name):
            yield "apiserver-cert-extra-sans", name, reason
    yield from _etcd(settings)
    if settings.token:
        try:
            tokens.split(settings.token)
        except InitError as error:
            yield "token", settings.token, str(error)
    try:
        tokens.check_ttl(settings.token_ttl)
    except InitError as error:
        yield "token-ttl", timefmt.format_duration(settings.token_ttl), str(error)


def _address(settings: InitSettings) -> Iterator[tuple[str, str, str]]:
    if settings.advertise_address:
        try:
            address = ipaddress.ip_address(settings.advertise_address)
        except ValueError:
            yield "apiserver-advertise-address", settings.advertise_address, "ip address is not valid"
        else:
            if address.is_unspecified:
                yield "apiserver-advertise-address", settings.advertise_address, "other hosts cannot reach it by that"


def _parsed(texts: Sequence[str]) -> Sequence[Network] | str:
    """The networks, or why one of them is none."""
    try:
        return [ipaddress.ip_network(text.strip()) for text in texts]
    except ValueError as error:
        return f"couldn't parse subnet: {error}"


def _services(text: str, parsed: Sequence[Network] | str) -> Iterator[tuple[str, str, str]]:
    flag = "service-cidr"
    if isinstance(parsed, str):
        yield flag, text, parsed
        return
    (network,) = parsed
    bits = network.max_prefixlen
    yield from _too_small(flag, network)
    if bits - network.prefixlen > SERVICE_BITS:
        least = bits - SERVICE_BITS
        yield (
            flag,
            text,
            f"specified service subnet is too large; for {bits}-bit addresses, the mask must be >= {least}",
        )


def _pods(text: str, parsed: Sequence[Network] | str) -> Iterator[tuple[str, str, str]]:
    flag = "pod-network-cidr"
    if isinstance(parsed, str):
        yield flag, text, parsed
        return
    if len({network.version for network in parsed}) != len(parsed):
        yield flag, text, "expected one (IPv4 or IPv6) CIDR or two CIDRs from each family for dual-stack networking"
    for network in parsed:
        yield from _too_small(flag, network)
        mask, node = network.prefixlen, NODE_MASKS[network.version]
        if mask > node:
            yield (
                flag,
                text,
                f"the size of pod subnet with mask {mask} is smaller than the size of node subnet with mask {node}",
            )
        elif node - mask > NODE_MASK_DIFFERENCE:
            wide = f"pod subnet mask ({mask}) and node-mask ({node}) difference is greater than {NODE_MASK_DIFFERENCE}"
            yield flag, text, wide


def _too_small(flag: str, network: Network) -> Iterator[tuple[str, str, str]]:
    count = network.num_addresses
    if count < LEAST_ADDRESSES:
        reason = f"subnet with {count} address(es) is too small, the minimum is {LEAST_ADDRESSES}"
        yield flag, str(network), reason


def _name(name: str) -> str:
    """Why this cannot be in a certificate; "" when it can."""
    problems = names.is_dns_subdomain(name.removeprefix("*."))
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if problems:
            what = "altname is not a valid IP address, DNS label or a DNS label with subdomain wildcards"
            return f"{what}: {'; '.join(problems)}"
    return ""


def _etcd(settings: InitSettings) -> Iterator[tuple[str, str, str]]:
    if not settings.etcd_servers:
        return
    try:
        store = servers(settings)
    except ValueError:
        yield "etcd-servers", settings.etcd_servers, "must be http:// or https:// URLs with ports"
        return
    try:
        root_of(settings.etcd_prefix)
    except ValueError:
        yield "etcd-prefix", settings.etcd_prefix, "is no path"
    if not store.secure and store.files != TlsFiles():
        yield "etcd-cafile", settings.etcd_cafile, "certificates are for https:// URLs"

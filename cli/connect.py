"""From the flags of a command to a gRPC channel."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cli.errors import CliError, UsageError
from cli.flags import Parsed
from machinery.client.dial import dial
from machinery.client.kubeconfig import KubeConfig, KubeConfigError
from machinery.client.target import Target, target

if TYPE_CHECKING:
    from machinery.rpc.api import Channel

HINT = (
    "Start a cluster with 'pilot up', choose a context with 'pilot config use-context NAME', "
    "or name a file with --kubeconfig. A cluster that pilot did not make is kubectl's."
)


def choose(config: KubeConfig, flags: Parsed) -> Target:
    """Where the chosen context, and the flags that change it, lead to, and as whom. Raises CliError, UsageError."""
    try:
        chosen = target(
            config, flags["context"] or None, cluster_name=flags["cluster"] or "", user_name=flags["user"] or ""
        )
    except KubeConfigError as error:
        raise CliError(str(error), hint=HINT) from None
    if flags["token"]:
        # a certificate would win over the token that was asked for
        chosen = dataclasses.replace(chosen, token=flags["token"], certificate=b"", key=b"")
    if flags["server"]:
        _check_address(flags["server"], chosen)
        chosen = dataclasses.replace(chosen, units="")
    return chosen


def _check_address(text: str, chosen: Target) -> None:
    """Raise UsageError for what kubectl's --server takes and ours cannot: REST has a URL, gRPC an address."""
    host, _, port = text.rpartition(":")
    if text.startswith("unix:") or (host and "/" not in text and port.isdecimal() and int(port) < 2**16):
        return
    scheme, url, _ = text.partition("://")
    wanted = "HOST:PORT of the gRPC API" + (f", without {scheme}://" if url else "")
    known = chosen.grpc if chosen.certificate else chosen.grpc_tokens
    hint = f"The gRPC API of the context's cluster is at {known}." if known else ""
    raise UsageError(f'--server must be the {wanted}, not "{text}"', hint=hint)


def connect(config: KubeConfig, flags: Parsed, *, units: bool = False) -> Channel:
    """A channel to the gRPC API of the chosen context (or to where its units are steered), with its credentials.

    Raises CliError saying what is missing."""
    chosen = choose(config, flags)
    if units and chosen.units and not chosen.certificate:
        raise CliError(
            "the controllers of this cluster are steered over mutual TLS, and the user has no client certificate",
            hint="Choose the context of an administrator with 'pilot config use-context NAME'.",
        )
    try:
        channel = dial(chosen, address=flags["server"] or (chosen.units if units else ""))
    except KubeConfigError as error:
        raise CliError(str(error), hint=HINT) from None
    if flags["request-timeout"] > 0:
        from cli.limit import LimitedChannel

        return LimitedChannel(channel, flags["request-timeout"])
    return channel

"""Network policies: who may talk to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import NONE, Text, joined
from machinery.objects import timefmt

Object = Mapping[str, Any]

# (policy type, the rules' field, the peers' field, how a peer is headed, what peers are)
DIRECTIONS = (("Ingress", "ingress", "from", "From", "source"), ("Egress", "egress", "to", "To", "destination"))


def network_policy(text: Text, obj: Object, seen: Seen) -> None:
    spec = obj["spec"]
    created = timefmt.parse(obj["metadata"]["creationTimestamp"]).astimezone()
    basics.name(text, obj)
    text.field("Created on", f"{created:%Y-%m-%d %H:%M:%S %z} {created.tzname()}")
    basics.tags(text, obj)
    text.head("Spec")
    everything = f"{NONE} (Allowing the specific traffic to all pods in this namespace)"
    chosen = basics.formatted(spec.get("podSelector"))
    # two blanks more, as kubectl's
    text.line(f"PodSelector:     {everything if chosen == NONE else chosen}", level=1)
    for direction in DIRECTIONS:
        if direction[0] in (spec.get("policyTypes") or ()):
            text.head(f"Allowing {direction[1]} traffic", level=1)
            _rules(text, spec.get(direction[1]) or (), direction)
        else:
            text.line(f"Not affecting {direction[1]} traffic", level=1)
    text.line(f"Policy Types: {joined(spec.get('policyTypes'), ', ')}", level=1)


def _rules(text: Text, rules: Sequence[Object], direction: tuple[str, str, str, str, str]) -> None:
    _, name, peers, head, what = direction
    if not rules:
        text.line(f"{NONE} (Selected pods are isolated for {name} connectivity)", level=2)
    for index, rule in enumerate(rules):
        if index:
            text.line("----------", level=2)
        for port in rule.get("ports") or ():
            text.line(_port(port), level=2)
        if not rule.get("ports"):
            text.line("To Port: <any> (traffic allowed to all ports)", level=2)
        for peer in rule.get(peers) or ():
            text.head(head, level=2)
            _peer(text, peer)
        if not rule.get(peers):
            text.line(f"{head}: <any> (traffic not restricted by {what})", level=2)


def _port(port: Object) -> str:
    protocol = port.get("protocol", "TCP")
    if port.get("endPort") is not None:
        return f"To Port Range: {port.get('port')}-{port['endPort']}/{protocol}"
    return f"To Port: {port.get('port', '<nil>')}/{protocol}"


def _peer(text: Text, peer: Object) -> None:
    for label, key in (("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")):
        if peer.get(key) is not None:
            text.line(f"{label}: {basics.formatted(peer[key])}", level=3)
    block = peer.get("ipBlock")
    if block:
        text.head("IPBlock", level=3)
        text.line(f"CIDR: {block['cidr']}", level=4)
        text.line(f"Except: {', '.join(block.get('except') or ())}", level=4)

"""PolicyRules, compiled for matching, and whether rules cover one another.

Matching follows kube-apiserver's rbac authorizer (`VerbMatches`, `ResourceMatches`, …), covering its
`validation.Covers`: a rule is broken into single verbs on single resources, and each must be held by one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import orjson

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule. `*` is kept as an ordinary element and looked for first."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str, name: str) -> bool:
        """Whether it grants a verb on a resource; `resource` without the subresource."""
        if verb not in self.verbs and "*" not in self.verbs:
            return False
        if group not in self.groups and "*" not in self.groups:
            return False
        resources = self.resources
        if "*" not in resources:
            whole = f"{resource}/{subresource}" if subresource else resource
            if whole not in resources and not (subresource and f"*/{subresource}" in resources):
                return False
        return not self.names or name in self.names

    def allows_path(self, verb: str, path: str) -> bool:
        """Whether it grants a verb on a URL path; a path that ends in `*` is a prefix."""
        if verb not in self.verbs and "*" not in self.verbs:
            return False
        return any(_path_matches(pattern, path) for pattern in self.paths)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == "*" or pattern == path or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def compile_rule(rule: Mapping[str, Any]) -> Rule:
    return Rule(
        frozenset(rule.get("verbs") or ()),
        frozenset(rule.get("apiGroups") or ()),
        frozenset(rule.get("resources") or ()),
        frozenset(rule.get("resourceNames") or ()),
        tuple(rule.get("nonResourceURLs") or ()),
    )


def compile_rules(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole."""
    return tuple(compile_rule(rule) for rule in role.get("rules") or ())


class Atom(NamedTuple):
    """A rule that cannot be broken further. name "" is every name; path "" is a resource."""

    verb: str
    group: str
    resource: str
    name: str
    path: str


def atoms(rule: Mapping[str, Any]) -> list[Atom]:
    """The single grants of one PolicyRule."""
    verbs = rule.get("verbs") or ()
    names: Sequence[str] = rule.get("resourceNames") or ("",)
    resources = product(verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names)
    paths = product(verbs, rule.get("nonResourceURLs") or ())
    return [Atom(*grant, "") for grant in resources] + [Atom(verb, "", "", "", path) for verb, path in paths]


def covers(owned: Iterable[Rule], atom: Atom) -> bool:
    """Whether some rule that is held grants all that `atom` does."""
    if atom.path:
        return any(_covers_path(rule, atom) for rule in owned)
    return any(_covers_resource(rule, atom) for rule in owned)


def _covers_path(rule: Rule, atom: Atom) -> bool:
    if atom.verb not in rule.verbs and "*" not in rule.verbs:
        return False
    return any(_path_matches(pattern, atom.path) for pattern in rule.paths)


def _covers_resource(rule: Rule, atom: Atom) -> bool:
    if atom.verb not in rule.verbs and "*" not in rule.verbs:
        return False
    if atom.group not in rule.groups and "*" not in rule.groups:
        return False
    if "*" not in rule.resources and atom.resource not in rule.resources:
        _, slash, subresource = atom.resource.partition("/")
        if not slash or f"*/{subresource}" not in rule.resources:
            return False
    return not rule.names or (atom.name != "" and atom.name in rule.names)


def missing(owned: Sequence[Rule], wanted: Iterable[Mapping[str, Any]]) -> list[Object]:
    """What of the wanted rules is not held, verbs of one resource gathered, in a stable order."""
    lacking: dict[tuple[str, str, str, str], set[str]] = {}
    for rule in wanted:
        for atom in atoms(rule):
            if not covers(owned, atom):
                lacking.setdefault((atom.group, atom.resource, atom.name, atom.path), set()).add(atom.verb)
    result: list[Object] = []
    for (group, resource, name, path), verbs in sorted(lacking.items()):
        if path:
            rule = {"nonResourceURLs": [path], "verbs": sorted(verbs)}
        else:
            rule = {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs)}
            if name:
                rule["resourceNames"] = [name]
        result.append(rule)
    return result


_PARTS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def describe(rule: Mapping[str, Any]) -> str:
    """As kube-apiserver prints a rule: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`."""
    parts = [f"{label}:{quoted(rule[key])}" for label, key in _PARTS if rule.get(key)]
    return "{" + ", ".join(parts) + "}"


def quoted(words: Iterable[str]) -> str:
    """`["a" "b"]`."""
    return "[" + " ".join(orjson.dumps(word).decode() for word in words) + "]"

"""Who may do what: roles, bindings, service accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import Text, shown

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One resource, or one URL, and what may be done with it."""

    group: str = ""
    resource: str = ""
    name: str = ""
    url: str = ""
    verbs: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, str, str, str]:
        resource, slash, sub = self.resource.partition("/")
        group = f".{self.group}" if self.group else ""
        return f"{resource}{group}{slash}{sub}", f"[{self.url}]", f"[{self.name}]", shown(self.verbs)

    @property
    def order(self) -> str:
        """The key that kubectl sorts by: the rule's protobuf text."""
        resource = "" if self.url else f"{shown([self.group])},Resources:{shown([self.resource])}"
        names = shown([self.name]) if self.name else "[]"
        return (
            f"&PolicyRule{{Verbs:{shown(self.verbs)},APIGroups:{resource or '[],Resources:[]'},"
            f"ResourceNames:{names},NonResourceURLs:{shown([self.url]) if self.url else '[]'},}}"
        )


def role(text: Text, obj: Object, seen: Seen) -> None:
    text.field("Name", obj["metadata"]["name"])
    basics.tags(text, obj)
    text.head("PolicyRule")
    rows = [each.cells for each in compact(obj.get("rules") or ())]
    text.table(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"], rows)


def compact(rules: Sequence[Object]) -> list[Rule]:
    """The rules taken apart, and what differs by verbs alone put together again; URLs stay apart by verb."""
    found: dict[tuple[str, str, str], Rule] = {}
    urls = []
    for rule in rules:
        verbs = rule.get("verbs") or ()
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    known = found.setdefault((group, resource, name), Rule(group, resource, name)).verbs
                    known += [verb for verb in verbs if verb not in known]
        urls += [Rule(url=url, verbs=[verb]) for url in rule.get("nonResourceURLs") or () for verb in verbs]
    return sorted([*urls, *found.values()], key=lambda each: each.order)


def binding(text: Text, obj: Object, seen: Seen) -> None:
    text.field("Name", obj["metadata"]["name"])
    basics.tags(text, obj)
    text.head("Role")
    text.field("Kind", obj["roleRef"]["kind"], level=1)
    text.field("Name", obj["roleRef"]["name"], level=1)
    text.head("Subjects")
    rows = [[each["kind"], each["name"], each.get("namespace", "")] for each in obj.get("subjects") or ()]
    text.table(["Kind", "Name", "Namespace"], rows)


def service_account(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    text.items("Image pull secrets", [each["name"] for each in obj.get("imagePullSecrets") or ()])
    text.items("Mountable secrets", [each["name"] for each in obj.get("secrets") or ()])
    # tokens that are kept in secrets are made for nobody any more
    text.items("Tokens", ())

"""`pilot auth can-i` and `pilot auth whoami`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import UsageError
from cli.flags import Flag, Parsed, switch
from cli.output.table import columns
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session

ACCESS = GVR("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
RULES = GVR("authorization.k8s.io", "v1", "selfsubjectrulesreviews")
WHOAMI = GVR("authentication.k8s.io", "v1", "selfsubjectreviews")


async def can_i(session: Session, flags: Parsed) -> int:
    client = await session.client()
    namespace = "" if flags["all-namespaces"] else session.namespace
    if flags["list"]:
        if flags.args:
            raise UsageError("list option must be specified with no arguments")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        _list((await client.create(RULES, review))["status"])
        return 0
    if len(flags.args) not in (2, 3):
        raise UsageError("you must specify two arguments: verb resource or verb resource/resourceName")
    spec = await _attributes(session, flags, namespace)
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    status = (await client.create(ACCESS, review))["status"]
    if not flags["quiet"]:
        reason = f" - {status['reason']}" if status.get("reason") and not status["allowed"] else ""
        print(f"{'yes' if status['allowed'] else 'no'}{reason}", flush=True)
    return 0 if status["allowed"] else 1


async def _attributes(session: Session, flags: Parsed, namespace: str) -> dict[str, Any]:
    verb, what, *rest = flags.args
    if what.startswith("/"):
        return {"nonResourceAttributes": {"verb": verb, "path": what}}
    text, _, name = what.partition("/")
    group, version, plural = "", "*", text
    if text != "*":
        mapper = await session.mapper()
        resource = mapper.find_or_none(text)
        if resource is None:
            print(f"Warning: the server doesn't have a resource type '{text}'\n", file=sys.stderr)
            plural, _, group = text.partition(".")
        else:
            group, version, plural = resource.gvr
            if not resource.namespaced:
                if namespace and session.namespace_given:
                    scope = f"resource '{plural}' is not namespace scoped"
                    print(f"Warning: {scope}{f' in group {group!r}' if group else ''}\n", file=sys.stderr)
                namespace = ""
    else:
        group = "*"
    attributes = {
        "verb": verb,
        "group": group,
        "version": version,
        "resource": plural,
        "subresource": flags["subresource"],
        "namespace": namespace,
        "name": rest[0] if rest else name,
    }
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


def _list(status: Any) -> None:
    rows = []
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or ("",):
            rows += [
                [
                    resource + (f".{group}" if group and resource != "*.*" else ""),
                    "[]",
                    f"[{' '.join(rule.get('resourceNames') or ())}]",
                    f"[{' '.join(rule['verbs'])}]",
                ]
                for resource in rule.get("resources") or ()
            ]
    for rule in status.get("nonResourceRules") or ():
        rows += [["", f"[{url}]", "[]", f"[{' '.join(rule['verbs'])}]"] for url in rule.get("nonResourceURLs") or ()]
    for line in columns(sorted(rows), header=["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]):
        print(line)


async def whoami(session: Session, flags: Parsed) -> int:
    client = await session.client()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    info = (await client.create(WHOAMI, review))["status"]["userInfo"]
    rows = [["Username", info["username"]]]
    if info.get("uid"):
        rows.append(["UID", info["uid"]])
    rows.append(["Groups", f"[{' '.join(info.get('groups') or ())}]"])
    rows += [[f"Extra: {key}", f"[{' '.join(values)}]"] for key, values in sorted((info.get("extra") or {}).items())]
    for line in columns(rows, header=["ATTRIBUTE", "VALUE"]):
        print(line)
    return 0


COMMAND = Command(
    name="auth",
    summary="Inspect authorization.",
    usage="auth COMMAND",
    subcommands={
        "can-i": Command(
            name="can-i",
            summary="Check whether an action is allowed",
            usage="auth can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL] [flags]",
            run=can_i,
            flags=(
                switch("all-namespaces", "If true, check the specified action in all namespaces.", short="A"),
                switch("list", "If true, prints all allowed actions."),
                switch("quiet", "If true, suppress output and just return the exit code.", short="q"),
                Flag("subresource", "SubResource such as pod/log or deployment/scale"),
            ),
            examples="# May I create pods in any namespace?\npilot auth can-i create pods --all-namespaces",
        ),
        "whoami": Command("whoami", "Show who the server takes you for", "auth whoami", whoami, arguments=False),
    },
)

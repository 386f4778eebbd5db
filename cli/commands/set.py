"""`pilot set image`: other images for containers of a pod or of a workload's template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Parsed, switch
from cli.generators.generator import pairs
from cli.output import printer, report
from cli.targets import FILE_FLAGS, SELECTOR_FLAGS, resolve
from machinery.client.api import Object, PatchType

if TYPE_CHECKING:
    from cli.context import Session

LISTS = ("initContainers", "containers")


async def image(session: Session, flags: Parsed) -> int:
    images = pairs([word for word in flags.args if "=" in word])
    flags.args = [word for word in flags.args if "=" not in word]
    if not images:
        raise UsageError("at least one image update is required")
    if any("=" in value or not value for value in images.values()):
        raise UsageError("an image update is CONTAINER=IMAGE")
    client = await session.client()
    mode = report.dry_run(flags)
    for target in await resolve(session, flags, verb="set image"):
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        path = _path(obj)
        changed = _changed(_at(obj, path), images)
        if not changed:
            continue
        patch: dict[str, Any] = changed
        for key in reversed(path):
            patch = {key: patch}
        if mode != "client":
            obj = await client.patch(
                target.resource.gvr,
                target.name,
                patch,
                PatchType.STRATEGIC,
                namespace=target.namespace,
                dry_run=mode == "server",
                field_manager=flags["field-manager"] or "kubectl-set",
            )
        report.done(flags, target.resource, obj, "image updated")
    return 0


def _path(obj: Object) -> tuple[str, ...]:
    """Where the pod's spec is. Raises CliError for a kind that has none."""
    spec = obj.get("spec") or {}
    if "containers" in spec:
        return ("spec",)
    if "template" in spec:
        return ("spec", "template", "spec")
    if "jobTemplate" in spec:
        return ("spec", "jobTemplate", "spec", "template", "spec")
    raise CliError(f"{obj['kind']}/{obj['metadata']['name']} the object is not a pod or does not have a pod template")


def _at(obj: Object, path: tuple[str, ...]) -> Object:
    for key in path:
        obj = obj[key]
    return obj


def _changed(spec: Object, images: Mapping[str, str]) -> dict[str, Any]:
    """The containers that get another image, as a strategic merge patch of the pod's spec. Raises CliError for a name
    that no container has."""
    listed = [(key, each) for key in LISTS for each in spec.get(key) or ()]
    missing = [name for name in images if name != "*" and name not in {each["name"] for _, each in listed}]
    if missing:
        raise CliError(f'unable to find container named "{missing[0]}"')
    found: dict[str, Any] = {}
    for key, each in listed:
        wanted = images.get(each["name"], images.get("*"))
        if wanted is not None and wanted != each.get("image"):
            found.setdefault(key, []).append({"name": each["name"], "image": wanted})
    return found


COMMAND = Command(
    name="set",
    summary="Configure application resources.",
    usage="set SUBCOMMAND",
    subcommands={
        "image": Command(
            name="image",
            summary="Update the image of a pod template",
            usage="set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... [flags]",
            run=image,
            flags=(
                *FILE_FLAGS,
                *SELECTOR_FLAGS[:1],
                switch("all", "Select all resources in the namespace of the specified resource types"),
                report.DRY_RUN,
                report.FIELD_MANAGER,
                printer.OUTPUT_FLAG,
            ),
            examples="# Another image for one container, or for all\n"
            "pilot set image deployment/web nginx=nginx:1.28\npilot set image ds web '*=nginx:1.28'",
        )
    },
)

"""`pilot create -f`, and `pilot create KIND NAME ...` for the kinds of `cli.generators.registry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cli.command import Command
from cli.commands.apply import VALIDATE, validation
from cli.errors import CliError, ServerError, UsageError, raise_any
from cli.flags import Flag, Kind, Parsed
from cli.generators.generator import Generator
from cli.generators.registry import GENERATORS
from cli.output import printer, report
from cli.targets import FILE_FLAGS, from_files
from machinery.client.api import Object
from machinery.errors import ApiError
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session

MANAGER = "kubectl-create"
GROUP_ALIASES: Mapping[str, Sequence[str]] = {"service": ("svc",)}


async def from_file(session: Session, flags: Parsed) -> int:
    if flags.args:
        raise UsageError(f"Unexpected args: [{' '.join(flags.args)}]")
    if not flags["filename"]:
        raise UsageError("must specify one of -f and a kind to create")
    client = await session.client()
    mode = report.dry_run(flags)
    failures: list[CliError] = []
    for target in await from_files(session, flags["filename"], recursive=flags["recursive"], refused=failures):
        assert target.obj is not None, "targets of files have their object"
        obj: Object = target.obj
        try:
            if mode != "client":
                obj = await client.create(
                    target.resource.gvr,
                    obj,
                    namespace=target.namespace,
                    dry_run=mode == "server",
                    field_manager=flags["field-manager"] or MANAGER,
                    field_validation=validation(flags),
                )
        except ApiError as error:
            failures.append(ServerError(error, doing=f'error when creating "{target.source}"'))
            continue
        report.done(flags, target.resource, obj, "created")
    raise_any(failures)
    return 0


async def generate(session: Session, flags: Parsed, *, generator: Generator) -> int:
    if len(flags.args) != 1:
        raise UsageError(f"exactly one NAME is required, got {len(flags.args)}")
    if generator.prepare is not None:
        await generator.prepare(session, flags)
    obj = generator.make(flags.args[0], flags)
    mode = report.dry_run(flags)
    namespace = session.namespace if generator.namespaced else ""
    if namespace and session.namespace_given:
        obj["metadata"]["namespace"] = namespace
    client = await session.client()
    resource = (await session.mapper()).find(generator.resource.group_resource)
    if mode != "client":
        manager = flags["field-manager"] or MANAGER
        try:
            obj = await client.create(
                generator.resource, obj, namespace=namespace, dry_run=mode == "server", field_manager=manager
            )
        except ApiError as error:
            if not generator.noun:
                raise
            raise CliError(f"failed to create {generator.noun}: {error.message}") from None
    report.done(flags, resource, obj, "created")
    return 0


async def token(session: Session, flags: Parsed) -> int:
    """`pilot create token ACCOUNT`: a service-account token through the TokenRequest API."""
    if len(flags.args) != 1:
        raise UsageError(f"exactly one NAME is required, got {len(flags.args)}")
    spec: Object = {"audiences": flags["audience"]} if flags["audience"] else {}
    if flags["duration"]:
        spec["expirationSeconds"] = round(flags["duration"])
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    client = await session.client()
    try:
        answer = await client.create(
            GVR("", "v1", "serviceaccounts"),
            request,
            namespace=session.namespace,
            name=flags.args[0],
            subresource="token",
        )
    except ApiError as error:
        raise CliError(f"failed to create token: {error.message}") from None
    print(answer["status"]["token"], flush=True)
    return 0


_COMMON = (report.DRY_RUN, report.FIELD_MANAGER, printer.OUTPUT_FLAG)


def _commands() -> dict[str, Command]:
    """A command per generator; `secret generic` and `service nodeport` become groups."""
    commands: dict[str, Command] = {}
    groups: dict[str, dict[str, Command]] = {}
    for words, generator in GENERATORS.items():
        group, _, name = words.rpartition(" ")
        command = Command(
            name, generator.summary, f"create {generator.usage}", partial(generate, generator=generator),
            (*generator.flags, *_COMMON), aliases=generator.aliases, passes_on=generator.passes_on,
        )  # fmt: skip
        if group:
            groups.setdefault(group, {})[name] = command
            continue
        commands[name] = command
    for group, members in groups.items():
        commands[group] = Command(
            group, f"Create a {group} of a chosen type", f"create {group}",
            subcommands=members, aliases=GROUP_ALIASES.get(group, ()),
        )  # fmt: skip
    return commands


COMMAND = Command(
    name="create",
    summary="Create a resource from a file or from stdin, or a common kind from flags.",
    usage="create (-f FILENAME | KIND NAME [flags])",
    run=from_file,
    flags=(*FILE_FLAGS, VALIDATE, *_COMMON),
    examples="""
# What a file describes
pilot create -f ./pod.json

# Common kinds from flags
pilot create deployment web --image=nginx --replicas=3
pilot create configmap settings --from-literal=mode=fast
""",
    subcommands={
        **_commands(),
        "token": Command(
            "token", "Request a service account token", "create token SERVICE_ACCOUNT_NAME [flags]", token,
            (
                Flag("audience", "Audience of the requested token.", kind=Kind.LIST, default=[]),
                Flag("duration", "Requested lifetime of the issued token.", kind=Kind.DURATION, default=0.0),
            ),
        ),
    },
)  # fmt: skip

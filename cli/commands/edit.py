"""`pilot edit`: an object in an editor, and back as a patch; what the server refuses is shown and edited again."""

from __future__ import annotations

import asyncio
import os
import pathlib
import shlex
import sys
import tempfile
from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import CliError, ServerError
from cli.flags import Flag, Parsed
from cli.output import report
from cli.output.documents import to_yaml
from cli.targets import FILE_FLAGS, SELECTOR_FLAGS, Target, parse, resolve
from machinery.client.api import Client, Object, PatchType
from machinery.errors import ApiError, BadRequest, Conflict, Invalid
from machinery.objects import meta
from machinery.patch import three_way
from machinery.schema import definitions

if TYPE_CHECKING:
    from cli.context import Session

HEADER = (
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n#\n"
)


async def run(session: Session, flags: Parsed) -> int:
    client = await session.client()
    for target in await resolve(session, flags, verb="edit"):
        current = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        await _edit(client, target, meta.without_managed_fields(current), flags)
    return 0


async def _edit(client: Client, target: Target, current: Object, flags: Parsed) -> None:
    text = to_yaml(current)
    complaint = ""
    draft = text
    while True:
        edited = await _in_editor(HEADER + complaint + draft)
        body = "".join(line for line in edited.splitlines(keepends=True) if not line.startswith("#"))
        if not body.strip():
            print("Edit cancelled, saved file was empty.", flush=True)
            return
        if body == draft:
            if complaint:
                copy = _kept(body)
                raise CliError(
                    "Edit cancelled, no valid changes were saved.",
                    hint=f'A copy of your changes has been stored to "{copy}"',
                )
            print("Edit cancelled, no changes made.", flush=True)
            return
        draft = body
        try:
            objects = parse("the edited file", body.encode())
            if len(objects) != 1:
                raise CliError("the edited file must hold one object")
            after = await _send(client, target, current, objects[0], flags)
        except (Invalid, Conflict, BadRequest, CliError) as error:
            said = error.message if isinstance(error, CliError) else ServerError(error).render()
            print(f"error: {said.removeprefix('error: ')}", file=sys.stderr)
            complaint = "".join(f"# {line}\n" for line in said.splitlines()) + "#\n"
            continue
        except ApiError as error:
            hint = f'A copy of your changes has been stored to "{_kept(body)}"'
            raise CliError(ServerError(error).render(), hint=hint) from None
        report.done(flags, target.resource, after, "edited")
        return


async def _send(client: Client, target: Target, current: Object, wanted: Object, flags: Parsed) -> Object:
    said, meant = wanted.get("metadata") or {}, current["metadata"]
    if said.get("name") != meant["name"] or wanted.get("kind") != current["kind"]:
        raise CliError("At least one of apiVersion, kind and name was changed")
    schema = definitions.builtin().of_kind(target.resource.gvk)
    if schema is None:
        patch, kind = three_way.merge(current, wanted, current), PatchType.MERGE
    else:
        patch, kind = three_way.strategic(current, wanted, current, schema), PatchType.STRATEGIC
    return await client.patch(
        target.resource.gvr,
        target.name,
        patch,
        kind,
        namespace=target.namespace,
        subresource=flags["subresource"],
        field_manager=flags["field-manager"] or "kubectl-edit",
    )


def _kept(text: str) -> str:
    """The file that has what somebody typed and no server took."""
    with tempfile.NamedTemporaryFile("w", prefix="pilot-edit-", suffix=".yaml", delete=False) as file:
        file.write(text)
    return file.name


async def _in_editor(text: str) -> str:
    """What the user's editor made of a text. Raises CliError when there is no editor or it fails."""
    editor = next((os.environ[name] for name in ("KUBE_EDITOR", "VISUAL", "EDITOR") if os.environ.get(name)), "vi")
    with tempfile.NamedTemporaryFile("w", prefix="pilot-edit-", suffix=".yaml", delete=False) as file:
        file.write(text)
    path = pathlib.Path(file.name)
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(path))
        if await process.wait() != 0:
            raise CliError(f'there was a problem with the editor "{editor}"')
        return path.read_text()
    except FileNotFoundError:
        raise CliError(f'cannot start the editor "{editor}"', hint="Set KUBE_EDITOR or EDITOR.") from None
    finally:
        path.unlink(missing_ok=True)


COMMAND = Command(
    name="edit",
    summary="Edit a resource from the default editor.",
    usage="edit (RESOURCE/NAME | -f FILENAME) [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        *SELECTOR_FLAGS,
        Flag("subresource", "If specified, edit will operate on the subresource of the requested object."),
        report.FIELD_MANAGER,
    ),
    examples="# Edit a service with nano\nKUBE_EDITOR=nano pilot edit svc/registry",
)

"""`pilot explain TYPE.FIELD`: what the server's OpenAPI says of a kind and its fields."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Parsed, switch
from cli.resources import Resource
from machinery.errors import NotFound
from machinery.objects.gvk import split_api_version

if TYPE_CHECKING:
    from cli.context import Session

Schema = Mapping[str, Any]


async def run(session: Session, flags: Parsed) -> int:
    if len(flags.args) > 1:
        raise UsageError("We accept only this format: explain RESOURCE")
    if not flags.args:
        raise UsageError(
            'You must specify the type of resource to explain. Use "pilot api-resources" for a complete list of '
            "supported resources."
        )
    resource, fields = await _resolve(session, flags)
    gvr = resource.gvr
    path = f"/openapi/v3/apis/{gvr.group}/{gvr.version}" if gvr.group else f"/openapi/v3/api/{gvr.version}"
    try:
        document = orjson.loads(await (await session.client()).document(path))
    except NotFound:
        raise CliError(f'Couldn\'t find resource for "{resource.gvk}"') from None
    schemas = document["components"]["schemas"]
    root = next((schema for schema in schemas.values() if _is_kind(schema, resource)), None)
    if root is None:
        raise CliError(f'Couldn\'t find resource for "{resource.gvk}"')
    schema: Schema = root
    label, required = "", False
    for name in fields:
        inner = _struct(schema, schemas)
        if name not in (inner.get("properties") or {}):
            raise CliError(f'field "{name}" does not exist')
        required = name in (inner.get("required") or ())
        schema = inner["properties"][name]
        label = name
    _print(resource, label, schema, schemas, required=required, recursive=flags["recursive"])
    return 0


async def _resolve(session: Session, flags: Parsed) -> tuple[Resource, list[str]]:
    """`deployments.apps.spec` may be a group or a field: the longest name that is a resource wins."""
    mapper = await session.mapper()
    parts = flags.args[0].split(".")
    if flags["api-version"]:
        try:
            group, version = split_api_version(flags["api-version"])
        except ValueError as error:
            raise UsageError(str(error)) from None
        found = mapper.find_or_none(f"{parts[0]}.{version}.{group}" if group else f"{parts[0]}.{version}")
        if found is None:
            raise CliError(f'couldn\'t find resource for "{flags["api-version"]}, Resource={parts[0]}"')
        return found, parts[1:]
    for length in range(len(parts), 1, -1):
        found = mapper.find_or_none(".".join(parts[:length]))
        if found is not None:
            return found, parts[length:]
    return mapper.find(parts[0]), parts[1:]


def _print(
    resource: Resource, label: str, schema: Schema, schemas: Mapping[str, Schema], *, required: bool, recursive: bool
) -> None:
    if resource.gvr.group:
        print(f"GROUP:      {resource.gvr.group}")
    print(f"KIND:       {resource.kind}\nVERSION:    {resource.gvr.version}\n")
    if label:
        print(f"FIELD: {label} <{_type(schema, schemas)}>{' -required-' if required else ''}\n")
    print("DESCRIPTION:")
    inner = _struct(schema, schemas)
    said = [text for text in (schema.get("description"), inner.get("description")) if text]
    for text in dict.fromkeys(said or ["<empty>"]):
        for paragraph in text.splitlines():
            print(textwrap.fill(paragraph, 80, initial_indent="    ", subsequent_indent="    "))
    print("    ")
    fields = inner.get("properties") or {}
    if fields:
        print("FIELDS:")
        _fields(inner, schemas, "  ", recursive=recursive, seen=())
    print(flush=True)


def _fields(
    schema: Schema, schemas: Mapping[str, Schema], indent: str, *, recursive: bool, seen: tuple[str, ...]
) -> None:
    for name, field in sorted((schema.get("properties") or {}).items()):
        mark = " -required-" if name in (schema.get("required") or ()) else ""
        print(f"{indent}{name}\t<{_type(field, schemas)}>{mark}")
        target = _reference(field)
        if recursive:
            # a schema that holds itself (JSONSchemaProps) is shown once
            if target is None or target not in seen:
                inner = _struct(field, schemas)
                _fields(inner, schemas, indent + "  ", recursive=True, seen=(*seen, target) if target else seen)
            continue
        text = field.get("description") or ""
        for paragraph in text.splitlines():
            print(textwrap.fill(paragraph, 80, initial_indent=indent + "  ", subsequent_indent=indent + "  "))
        print()


def _is_kind(schema: Schema, resource: Resource) -> bool:
    return (
        any(
            (entry["group"], entry["version"], entry["kind"]) == resource.gvk
            for entry in schema.get("x-kubernetes-group-version-kind") or ()
        )
        and "properties" in schema
    )


def _reference(schema: Schema) -> str | None:
    """The name of the definition that a field is, or holds."""
    for inner in (
        schema,
        *schema.get("allOf", ()),
        schema.get("items") or {},
        schema.get("additionalProperties") or {},
    ):
        if isinstance(inner, dict) and "$ref" in inner:
            return str(inner["$ref"]).rpartition("/")[2]
        if isinstance(inner, dict):
            for part in inner.get("allOf", ()):
                if "$ref" in part:
                    return str(part["$ref"]).rpartition("/")[2]
    return None


def _struct(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The definition with the fields: behind a reference, a list or a map."""
    if "properties" in schema:
        return schema
    target = _reference(schema)
    if target is not None and target in schemas:
        return schemas[target]
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            return _struct(inner, schemas)
    return schema


def _type(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    if isinstance(schema.get("items"), dict):
        return f"[]{_type(schema['items'], schemas)}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map[string]{_type(schema['additionalProperties'], schemas)}"
    target = _reference(schema)
    if target is not None:
        behind = schemas.get(target, {})
        return target.rpartition(".")[2] if "properties" in behind or not behind.get("type") else str(behind["type"])
    return str(schema.get("type") or "Object")


COMMAND = Command(
    name="explain",
    summary="Get documentation for a resource and its fields.",
    usage="explain TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group]",
    run=run,
    flags=(
        switch("recursive", "When true, print the name of all the fields recursively."),
        Flag("api-version", "Use given api-version (group/version) of the resource."),
    ),
    examples="# A kind, and one of its fields\npilot explain pods\npilot explain pods.spec.containers",
)

"""`pilot get`: tables as the server makes them, objects in any format, and watching."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.context import say
from cli.errors import CliError, ServerError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import printer, table
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, Target, from_files, from_words
from machinery.client.api import Client, Representation
from machinery.errors import ApiError, NotFound
from machinery.objects import meta

if TYPE_CHECKING:
    from cli.context import Session

CHUNK = 500

FLAGS = (
    ALL_NAMESPACES,
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    printer.OUTPUT_FLAG,
    switch("watch", "After listing/getting the requested object, watch for changes.", short="w"),
    switch("watch-only", "Watch for changes to the requested object(s), without listing/getting first."),
    switch("ignore-not-found", "If set to true, suppresses NotFound error for specific objects that do not exist."),
    switch("no-headers", "When using the default or custom-column output format, don't print headers."),
    switch("show-labels", "When printing, show all labels as the last column."),
    switch("show-kind", "If present, list the resource type for the requested object(s)."),
    switch("show-managed-fields", "If true, keep the managedFields when printing objects in JSON or YAML format."),
    Flag("label-columns", "Labels that are going to be presented as columns.", short="L", kind=Kind.LIST, default=[]),
    Flag("sort-by", "If non-empty, sort list types using this field specification, a JSONPath expression."),
    Flag("raw", "A document of the server by its path: /version, /healthz, /metrics, discovery, OpenAPI."),
    Flag("subresource", "If specified, gets the subresource of the requested object."),
    Flag("chunk-size", "Return large lists in chunks rather than all at once.", kind=Kind.INT, default=CHUNK),
)


async def run(session: Session, flags: Parsed) -> int:
    if flags["raw"]:
        if flags.args:
            raise UsageError("arguments may not be passed when --raw is specified")
        say_text((await (await session.client()).document(flags["raw"])).decode())
        return 0
    if flags["field-selector"] and len(flags.args) > 1:
        raise UsageError("name cannot be provided when a selector is specified")
    if flags["filename"]:
        targets = await from_files(session, flags["filename"], recursive=flags["recursive"])
    else:
        namespace = "" if flags["all-namespaces"] else session.namespace
        targets = from_words(flags.args, await session.mapper(), namespace=namespace)
        if flags["selector"] and any(target.name for target in targets):
            raise UsageError("name cannot be provided when a selector is specified")
        if flags["all-namespaces"] and any(target.name for target in targets):
            raise CliError("a resource cannot be retrieved by name across all namespaces")
    client = await session.client()
    if flags["watch"] or flags["watch-only"]:
        return await _watch(client, targets, flags)
    if printer.is_table(flags["output"]) and not flags["sort-by"]:
        return await _tables(client, targets, flags)
    return await _objects(client, targets, flags)


async def _tables(client: Client, targets: Sequence[Target], flags: Parsed) -> int:
    """Tables of each resource, as they come; what is not found is said after what is."""
    several = len({target.resource.gvr for target in targets}) > 1
    failures: list[ApiError] = []
    shown = 0
    answers = await asyncio.gather(
        *(_fetch_tables(client, target, flags) for target in targets), return_exceptions=True
    )
    writers: dict[Any, table.TableWriter] = {}
    for target, answer in zip(targets, answers, strict=True):
        if isinstance(answer, ApiError):
            if not (isinstance(answer, NotFound) and flags["ignore-not-found"]):
                failures.append(answer)
            continue
        if isinstance(answer, BaseException):
            raise answer
        rows = [page for page in answer if page.get("rows")]
        if not rows:
            continue
        writer = writers.get(target.resource.gvr)
        if writer is None:
            if shown and several:
                say()
            writer = writers[target.resource.gvr] = table.TableWriter(_table_options(target, flags, several=several))
        merged = {**rows[0], "rows": [row for page in rows for row in page["rows"]]}
        shown += len(merged["rows"])
        for line in writer.lines(merged):
            say(line)
    if not shown and not failures:
        _nothing(targets, flags)
    return _report(failures)


async def _fetch_tables(client: Client, target: Target, flags: Parsed) -> list[Mapping[str, Any]]:
    gvr = target.resource.gvr
    if target.name:
        return [
            await client.get(
                gvr,
                target.name,
                namespace=target.namespace,
                subresource=flags["subresource"],
                representation=Representation.TABLE,
            )
        ]
    pages: list[Mapping[str, Any]] = []
    token = ""
    while True:
        page = await client.list_document(
            gvr,
            namespace=target.namespace,
            label_selector=flags["selector"],
            field_selector=flags["field-selector"],
            limit=flags["chunk-size"],
            continue_token=token,
            representation=Representation.TABLE,
        )
        pages.append(page)
        token = (page.get("metadata") or {}).get("continue", "")
        if not token:
            return pages


async def _objects(client: Client, targets: Sequence[Target], flags: Parsed) -> int:
    """Everything as one object or one v1 List, through the printer of the asked format."""
    several = len({target.resource.gvr for target in targets}) > 1
    resources = {target.resource.gvk: target.resource for target in targets}

    def name_of(obj: Any) -> str:
        from machinery.objects.gvk import gvk_of

        resource = resources.get(gvk_of(obj))
        return f"{resource.full_name if resource else obj['kind'].lower()}/{obj['metadata']['name']}"

    show = None
    if not printer.is_table(flags["output"]):
        show = printer.printer(flags["output"], name_of=name_of, headers=not flags["no-headers"])
    answers = await asyncio.gather(*(_fetch(client, target, flags) for target in targets), return_exceptions=True)
    failures: list[ApiError] = []
    objects: list[Any] = []
    for answer in answers:
        if isinstance(answer, ApiError):
            if not (isinstance(answer, NotFound) and flags["ignore-not-found"]):
                failures.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            objects += answer
    if not flags["show-managed-fields"]:
        objects = [meta.without_managed_fields(obj) for obj in objects]
    if flags["sort-by"]:
        objects = _sorted(objects, flags["sort-by"])
    if show is None:
        await _sorted_tables(client, targets, objects, flags, several=several)
        return _report(failures)
    single = len(targets) == 1 and bool(targets[0].name)
    if single and not objects:
        return _report(failures)
    document = objects[0] if single else _list(objects)
    if objects or flags["output"] != "name":
        say_text(show(document))
    return _report(failures)


async def _fetch(client: Client, target: Target, flags: Parsed) -> list[Any]:
    gvr = target.resource.gvr
    if target.name:
        return [await client.get(gvr, target.name, namespace=target.namespace, subresource=flags["subresource"])]
    found: list[Any] = []
    token = ""
    while True:
        page = await client.list(
            gvr,
            namespace=target.namespace,
            label_selector=flags["selector"],
            field_selector=flags["field-selector"],
            limit=flags["chunk-size"],
            continue_token=token,
        )
        found += [{"apiVersion": gvr.api_version, "kind": target.resource.kind, **item} for item in page.items]
        token = page.continue_token
        if not token:
            return found


async def _sorted_tables(
    client: Client, targets: Sequence[Target], objects: Sequence[Any], flags: Parsed, *, several: bool
) -> None:
    """Tables whose rows follow the order of sorted objects."""
    order = {
        (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): index
        for index, obj in enumerate(objects)
    }
    for target in targets:
        pages = await _fetch_tables(client, target, flags)
        rows = [row for page in pages for row in page.get("rows") or ()]

        def place(row: Any, kind: str = target.resource.kind) -> int:
            metadata = row["object"]["metadata"]
            return order.get((kind, metadata.get("namespace", ""), metadata["name"]), len(order))

        writer = table.TableWriter(_table_options(target, flags, several=several))
        if rows:
            for line in writer.lines({**pages[0], "rows": sorted(rows, key=place)}):
                say(line)
    if not objects:
        _nothing(targets, flags)


async def _watch(client: Client, targets: Sequence[Target], flags: Parsed) -> int:
    """List, then follow. One resource at a time, as kubectl."""
    if len({target.resource.gvr for target in targets}) > 1 or len(targets) > 1:
        raise CliError("you may only specify a single resource type")
    target = targets[0]
    as_table = printer.is_table(flags["output"])
    representation = Representation.TABLE if as_table else Representation.OBJECT
    writer = table.TableWriter(_table_options(target, flags, several=False))
    show = None
    if not as_table:
        show = printer.printer(
            flags["output"], name_of=lambda obj: f"{target.resource.full_name}/{obj['metadata']['name']}"
        )

    def shown(obj: Any) -> Any:
        return obj if flags["show-managed-fields"] else meta.without_managed_fields(obj)

    selector = f"metadata.name={target.name}" if target.name else flags["field-selector"]
    listed = await client.list_document(
        target.resource.gvr,
        namespace=target.namespace,
        label_selector=flags["selector"],
        field_selector=selector,
        representation=representation,
    )
    items = listed.get("rows" if as_table else "items") or []
    if target.name and not items:
        await client.get(target.resource.gvr, target.name, namespace=target.namespace)
    if not flags["watch-only"]:
        if as_table:
            if items:
                for line in writer.lines(listed):
                    say(line)
        elif show is not None:
            for item in map(shown, items):
                say_text(show({"apiVersion": target.resource.gvr.api_version, "kind": target.resource.kind, **item}))
    version = listed["metadata"]["resourceVersion"]
    while True:
        async for event in client.watch(
            target.resource.gvr,
            namespace=target.namespace,
            label_selector=flags["selector"],
            field_selector=selector,
            resource_version=version,
            allow_bookmarks=True,
            representation=representation,
        ):
            version = _version_of(event.object) or version
            if event.type == "BOOKMARK":
                continue
            if as_table:
                for line in writer.lines(event.object):
                    say(line)
            elif show is not None:
                say_text(show(shown(event.object)))
        if flags["request-timeout"]:  # it has ended this watch, and here that is the end
            return 0


def _version_of(obj: Mapping[str, Any]) -> str:
    if obj.get("kind") == "Table":
        rows = obj.get("rows") or ()
        version = (obj.get("metadata") or {}).get("resourceVersion")
        return str(version or (rows[-1]["object"]["metadata"].get("resourceVersion", "") if rows else ""))
    return str(obj["metadata"].get("resourceVersion", ""))


def _table_options(target: Target, flags: Parsed, *, several: bool) -> table.TableOptions:
    return table.TableOptions(
        wide=flags["output"] == "wide",
        headers=not flags["no-headers"],
        namespace=flags["all-namespaces"] and target.resource.namespaced,
        labels=flags["show-labels"],
        label_columns=flags["label-columns"],
        kind=target.resource.full_name if several or flags["show-kind"] else "",
    )


def _nothing(targets: Sequence[Target], flags: Parsed) -> None:
    if flags["ignore-not-found"]:
        return
    import sys

    scoped = [target for target in targets if target.resource.namespaced and target.namespace]
    where = f" in {scoped[0].namespace} namespace." if scoped else ""
    print(f"No resources found{where}", file=sys.stderr)


def _report(failures: Sequence[ApiError]) -> int:
    import sys

    for failure in failures:
        print(ServerError(failure).render(), file=sys.stderr)
    return 1 if failures else 0


def _list(objects: Sequence[Any]) -> Any:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}


def _sorted(objects: Sequence[Any], path: str) -> list[Any]:
    from cli.output import jsonpath
    from machinery.objects import quantity

    try:
        template = jsonpath.parse(jsonpath.relaxed(path))
    except jsonpath.JsonPathError as error:
        raise CliError(f"error parsing jsonpath {path}, {error}") from None

    def key(obj: Any) -> tuple[int, Any]:
        values = template.values(obj)
        if not values:
            return (0, 0)
        value = values[0]
        if isinstance(value, (int, float)):
            return (1, value)
        try:
            return (1, quantity.parse(str(value)).value())
        except ValueError:
            return (2, str(value))

    return sorted(objects, key=key)


def say_text(text: str) -> None:
    """Text that brings its own line ends (or, as jsonpath, none)."""
    import sys

    sys.stdout.write(text)
    sys.stdout.flush()


COMMAND = Command(
    name="get",
    summary="Display one or many resources.",
    usage="get [(-o|--output=)json|yaml|name|wide|jsonpath|custom-columns|...] "
    "(TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
    run=run,
    flags=FLAGS,
    examples="""
# List all pods in ps output format
pilot get pods

# List a single deployment with specified NAME, as YAML
pilot get deployment web -o yaml

# List pods of every namespace with their nodes, and follow changes
pilot get pods -A -o wide --watch

# Print one field
pilot get pod web-pod-13je7 -o jsonpath='{.status.phase}'
""",
)

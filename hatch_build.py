"""Build hook: compiles `protos/` to one descriptor set and extracts the Kubernetes field schemas.

Both results are data files inside packages, made at build time so that an installed Pilothouse needs neither protoc
nor `kubernetes-validate`. `make` runs this file directly for a checkout; hatchling runs it for a wheel.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import pathlib
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = pathlib.Path(__file__).resolve().parent
DESCRIPTORS = ROOT / "protos" / "descriptors.binpb"
SCHEMAS = ROOT / "machinery" / "schema" / "kubernetes.json.gz"
DESCRIPTIONS = ROOT / "machinery" / "schema" / "descriptions.json.gz"
KUBERNETES_MINOR = "v1.37.0"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's generic is for its own configs
    """Runs before the wheel (or the editable install) is assembled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compile_protos()
        extract_schemas()


def compile_protos() -> None:
    """Write one FileDescriptorSet of every `.proto` below `protos/`. Raises SystemExit when protoc refuses one."""
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "protos").rglob("*.proto"))
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT}",
            f"--proto_path={well_known}",
            "--include_imports",
            f"--descriptor_set_out={DESCRIPTORS}",
            *(str(ROOT / source) for source in sources),
        ]
    )
    if code != 0:
        raise SystemExit(f"protoc failed with exit code {code}")


def extract_schemas() -> None:
    """Write the definitions of one Kubernetes minor, without the JSON-schema dressing that we do not use."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise SystemExit("kubernetes-validate is not installed: it is needed to build, not to run")
    source = pathlib.Path(spec.origin).parent / "kubernetes-json-schema" / f"{KUBERNETES_MINOR}-local"
    document = json.loads((source / "_definitions.json").read_text())
    definitions = {name: lean_schema(definition) for name, definition in document["$defs"].items()}
    write_packed(SCHEMAS, {"version": KUBERNETES_MINOR, "definitions": definitions})
    write_packed(DESCRIPTIONS, {name: descriptions_of(each) for name, each in document["$defs"].items()})


def lean_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """One schema without its descriptions and in OpenAPI's form: one type, references by bare name.

    The source says `["string", "null"]` for optional fields, `oneOf` for the two types that take text and numbers, and
    pins apiVersion and kind by `enum`; a served document has none of these. Descriptions are nine tenths of the bytes
    and only `explain` reads them, so they go to a file of their own.
    """
    lean: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "description" | "enum":
                continue
            case "type":
                lean["type"] = value if isinstance(value, str) else value[0]
            case "$ref":
                lean["$ref"] = value.removeprefix("#/$defs/")
            case "properties":
                lean["properties"] = {name: lean_schema(each) for name, each in value.items()}
            case "items" | "additionalProperties":
                lean[key] = lean_schema(value) if isinstance(value, dict) else value
            case "oneOf":
                types = {each["type"][0] for each in value}
                lean["type"] = {"number": "quantity", "integer": "int-or-string"}[(types - {"string"}).pop()]
            case _:
                lean[key] = value
    return lean


def descriptions_of(schema: dict[str, Any]) -> dict[str, str]:
    """A definition's description under "", and its fields' under their names."""
    found = {"": schema.get("description", "")}
    found |= {name: each.get("description", "") for name, each in (schema.get("properties") or {}).items()}
    return {name: text for name, text in found.items() if text}


def write_packed(path: pathlib.Path, document: dict[str, Any]) -> None:
    """Write compact JSON, compressed; mtime 0, so that the same input builds the same bytes."""
    packed = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(packed, compresslevel=9, mtime=0))


if __name__ == "__main__":
    compile_protos()
    extract_schemas()
    sys.exit(0)

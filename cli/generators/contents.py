"""`create configmap` and `create secret`: objects that hold files, literals and credentials."""

from __future__ import annotations

import base64
import os
import pathlib
import re

import orjson

from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed
from cli.generators.generator import Generator, Object, new
from machinery.objects.gvk import GVR

SECRETS = GVR("", "v1", "secrets")
REGISTRY = "https://index.docker.io/v1/"


def _config_map(name: str, flags: Parsed) -> Object:
    data, binary = _contents("ConfigMap", name, flags)
    made = new("v1", "ConfigMap", name)
    if data:
        made["data"] = data
    if binary:
        made["binaryData"] = binary
    return made


def _secret(name: str, flags: Parsed) -> Object:
    data, binary = _contents("Secret", name, flags)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return _of_type(name, flags["type"] or "Opaque", {**encoded, **binary})


def _of_type(name: str, kind: str, data: dict[str, str]) -> Object:
    made = new("v1", "Secret", name, type=kind)
    return {**made, "data": data} if data else made


def _tls(name: str, flags: Parsed) -> Object:
    if not flags["cert"] or not flags["key"]:
        missing = [f'"{word}"' for word in ("cert", "key") if not flags[word]]
        raise UsageError(f"required flag(s) {', '.join(missing)} not set")
    certificate, key = (_read(flags[word]) for word in ("cert", "key"))
    if not _belong_together(certificate, key):
        raise CliError("tls: the certificate and the private key are no PEM pair")
    return _of_type(name, "kubernetes.io/tls", {"tls.crt": _encoded(certificate), "tls.key": _encoded(key)})


def _belong_together(certificate: bytes, key: bytes) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return False
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(*form) == private.public_key().public_bytes(*form)


def _docker(name: str, flags: Parsed) -> Object:
    if flags["from-file"]:
        text = _read(flags["from-file"][0].removeprefix(".dockerconfigjson="))
    else:
        missing = [f'"{word}"' for word in ("docker-username", "docker-password") if not flags[word]]
        if missing:
            raise UsageError(f"required flag(s) {', '.join(missing)} not set (or give --from-file)")
        user, password = flags["docker-username"], flags["docker-password"]
        entry = {"username": user, "password": password}
        if flags["docker-email"]:
            entry["email"] = flags["docker-email"]
        entry["auth"] = _encoded(f"{user}:{password}".encode())
        text = orjson.dumps({"auths": {flags["docker-server"]: entry}})
    return _of_type(name, "kubernetes.io/dockerconfigjson", {".dockerconfigjson": _encoded(text)})


def _read(filename: str) -> bytes:
    try:
        return pathlib.Path(filename).read_bytes()
    except OSError as error:
        raise CliError(f'cannot read "{filename}": {error.strerror}') from None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _contents(kind: str, name: str, flags: Parsed) -> tuple[dict[str, str], dict[str, str]]:
    """(texts, base64 of what is no text) from --from-literal, --from-file and --from-env-file."""
    data: dict[str, str] = {}
    binary: dict[str, str] = {}

    def put(key: str, value: bytes) -> None:
        if key in data or key in binary:
            place = "Data" if key in data or kind == "Secret" else "BinaryData"
            raise CliError(
                f'cannot add key "{key}", another key by that name already exists in {place} for {kind} "{name}"'
            )
        try:
            data[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()

    for literal in flags["from-literal"]:
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise CliError(f"invalid literal source {literal}, expected key=value")
        put(key, value.encode())
    for said in flags["from-file"]:
        key, equals, filename = said.rpartition("=")
        path = pathlib.Path(filename)
        try:
            if not filename:
                raise CliError(f"file path missing for key name {key}")
            files = sorted(inner for inner in path.iterdir() if inner.is_file()) if path.is_dir() else [path]
            if equals and path.is_dir():
                raise CliError("cannot give a key name for a directory path")
            for file in files:
                put(key or file.name, file.read_bytes())
        except OSError as error:
            raise CliError(f"error reading {filename}: {error.strerror}") from None
    for filename in flags["from-env-file"]:
        for key, text in _variables(filename):
            put(key, text.encode())
    return data, binary


def _variables(filename: str) -> list[tuple[str, str]]:
    """The KEY=VALUE lines of a file; a KEY alone has the value that this process's environment has, if any."""
    found = []
    for number, line in enumerate(_read(filename).decode("utf-8-sig").splitlines(), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", key):
            raise CliError(f'{filename}:{number}: "{key}" is not a valid environment variable name')
        if equals or key in os.environ:
            found.append((key, value if equals else os.environ[key]))
    return found


_FROM = (
    Flag(
        "from-literal", "Specify a key and literal value to insert (i.e. mykey=somevalue)", kind=Kind.ARRAY, default=[]
    ),
    Flag("from-file", "A file, or key=file, or a directory of files.", kind=Kind.LIST, default=[]),
    Flag("from-env-file", "A file of key=value lines.", kind=Kind.LIST, default=[]),
)

GENERATORS = {
    "configmap": Generator(GVR("", "v1", "configmaps"), "configmap NAME [--from-file=[key=]source]",
                           "Create a config map", "configmap", _config_map, _FROM, aliases=("cm",)),
    "secret generic": Generator(SECRETS, "secret generic NAME [--from-literal=key1=value1]",
                                "Create a secret from a local file, directory, or literal value", "secret", _secret,
                                (*_FROM, Flag("type", "The type of secret to create"))),
    "secret tls": Generator(
        SECRETS, "secret tls NAME --cert=path/to/cert/file --key=path/to/key/file", "Create a TLS secret", "secret",
        _tls,
        (Flag("cert", "Path to PEM encoded public key certificate."), Flag("key", "Path to its private key.")),
    ),
    "secret docker-registry": Generator(
        SECRETS, "secret docker-registry NAME --docker-username=user --docker-password=password",
        "Create a secret for use with a Docker registry", "secret", _docker,
        (
            Flag("docker-username", "Username for Docker registry authentication"),
            Flag("docker-password", "Password for Docker registry authentication"),
            Flag("docker-email", "Email for Docker registry"),
            Flag("docker-server", "Server location for Docker registry", default=REGISTRY),
            Flag("from-file", "A Docker configuration file instead of these.", kind=Kind.LIST, default=[]),
        ),
    ),
}  # fmt: skip

"""ConfigMaps and Secrets: what they hold, or how much of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import Text

Object = Mapping[str, Any]

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # the name of a type


def config_map(text: Text, obj: Object, seen: Seen) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    basics.metadata(text, obj)
    text.line("\nData\n====")
    for key in sorted(data):
        text.line(f"{key}:\n----\n{data[key]}\n")
    text.line("\nBinaryData\n====")
    for key in sorted(binary):
        text.line(f"{key}: {len(base64.b64decode(binary[key]))} bytes")
    text.line()


def secret(text: Text, obj: Object, seen: Seen) -> None:
    data = obj.get("data") or {}
    basics.metadata(text, obj)
    text.line()
    text.field("Type", obj.get("type", ""))
    text.line("\nData\n====")
    for key in sorted(data):
        value = base64.b64decode(data[key])
        # the one that a person may have come for
        token = key == "token" and obj.get("type") == SERVICE_ACCOUNT_TOKEN
        text.field(key, value.decode(errors="replace") if token else f"{len(value)} bytes")

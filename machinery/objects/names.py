"""Names: what may be one, how one is generated, and the hash that names a pod template.

Each `is_*` function answers a list of messages in Kubernetes' words, empty when the value is good.
Rules: RFC 1123, RFC 1035 and k8s.io/apimachinery `util/validation`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import orjson

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_HEADER = "[-A-Za-z0-9]+"

_label = re.compile(_LABEL)
_subdomain = re.compile(_SUBDOMAIN)
_label_1035 = re.compile(_LABEL_1035)
_key = re.compile(_KEY)
_value = re.compile(_VALUE)
_c_identifier = re.compile(_C_IDENTIFIER)
_config_key = re.compile(_CONFIG_KEY)
_percent = re.compile(_PERCENT)
_header = re.compile(_HEADER)

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)

NAME_LIMIT = 63
"""Longest DNS label, label value and name part of a label key, in characters."""
SUBDOMAIN_LIMIT = 253
"""Longest object name, in characters."""

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes: no words by accident
_SUFFIX_LENGTH = 5


def too_long(limit: int) -> str:
    """The message for a text of more than `limit` characters."""
    return f"must be no more than {limit} characters"


def _too_long_bytes(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def bad_shape(text: str, pattern: str, *examples: str) -> str:
    """The message for a text that a pattern refuses: what it must be, examples, and the pattern."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def is_dns_label(value: str) -> list[str]:
    """RFC 1123 label: the names of namespaces, services' ports, containers."""
    problems = [too_long(NAME_LIMIT)] if len(value) > NAME_LIMIT else []
    if not _label.fullmatch(value):
        dotted = _subdomain.fullmatch(value)
        problems.append("must not contain dots" if dotted else bad_shape(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return problems


def is_dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: the names of most objects."""
    problems = [too_long(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not _subdomain.fullmatch(value):
        problems.append(bad_shape(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return problems


def is_dns_1035_label(value: str) -> list[str]:
    """RFC 1035 label, which starts with a letter: the names of services."""
    problems = [too_long(NAME_LIMIT)] if len(value) > NAME_LIMIT else []
    if not _label_1035.fullmatch(value):
        problems.append(bad_shape(_LABEL_1035_TEXT, _LABEL_1035, "my-name", "abc-123"))
    return problems


def is_path_segment(value: str) -> list[str]:
    """What can stand in a URL path as one segment: the names of RBAC objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def is_label_key(value: str) -> list[str]:
    """A label or annotation key: an optional DNS prefix and a name, with `/` between."""
    problems: list[str] = []
    parts = value.split("/")
    shape = bad_shape(_KEY_TEXT, _KEY, "MyName", "my.name", "123-abc")
    if len(parts) > 2:
        return [f"a valid label key {shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        elif len(parts[0]) > SUBDOMAIN_LIMIT:
            problems.append(f"prefix part {_too_long_bytes(SUBDOMAIN_LIMIT)}")
        if parts[0] and not _subdomain.fullmatch(parts[0]):
            problems.append(f"prefix part {bad_shape(_SUBDOMAIN_TEXT, _SUBDOMAIN, 'example.com')}")
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > NAME_LIMIT:
        problems.append(f"name part {_too_long_bytes(NAME_LIMIT)}")
    if not _key.fullmatch(name):
        problems.append(f"name part {shape}")
    return problems


def is_label_value(value: str) -> list[str]:
    """A label's value; "" is good."""
    problems = [_too_long_bytes(NAME_LIMIT)] if len(value) > NAME_LIMIT else []
    if not _value.fullmatch(value):
        problems.append(bad_shape(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return problems


def is_config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret, which may become a file name."""
    problems = [too_long(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not _config_key.fullmatch(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(bad_shape(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return problems + _parent_directory(value)


def is_env_name(value: str) -> list[str]:
    """The name of an environment variable: printable ASCII without `=`."""
    if not value:
        return ["environment variable name must be non-empty"]
    if any(not " " <= char <= "~" or char == "=" for char in value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def is_c_identifier(value: str) -> list[str]:
    """A C identifier: what a shell can use as a variable's name."""
    if _c_identifier.fullmatch(value):
        return []
    text = (
        "a valid C identifier must start with alphabetic character or '_', "
        "followed by a string of alphanumeric characters or '_'"
    )
    return [bad_shape(text, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def is_port_name(value: str) -> list[str]:
    """An IANA service name (RFC 6335): the name of a container's port."""
    problems = [too_long(15)] if len(value) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value[:1] == "-" or value[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return problems


def is_port_number(value: int) -> list[str]:
    """A TCP, UDP or SCTP port."""
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def is_percent(value: str) -> list[str]:
    """A percentage such as `25%`."""
    if _percent.fullmatch(value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [bad_shape(text, _PERCENT, "1%", "93%")]


def is_header_name(value: str) -> list[str]:
    """The name of an HTTP header."""
    if _header.fullmatch(value):
        return []
    return [bad_shape("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")]


def _parent_directory(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def as_prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The check for `generateName`: a trailing `-` is good there, for something will follow it."""
    return lambda value: check(value[:-1] + "a" if len(value) > 1 and value.endswith("-") else value)


def suffix(randomness: random.Random, length: int = _SUFFIX_LENGTH) -> str:
    """A random name suffix of Kubernetes' alphabet."""
    return "".join(randomness.choices(_SUFFIX_ALPHABET, k=length))


def generate(prefix: str, randomness: random.Random) -> str:
    """The name that the server makes of `generateName`: prefix and five random characters, 63 at most."""
    return prefix[: NAME_LIMIT - _SUFFIX_LENGTH] + suffix(randomness)


def template_hash(template: dict[str, Any], collision_count: int | None = None) -> str:
    """The `pod-template-hash` of a template: FNV-1a (32 bits) over its canonical JSON, safe-encoded.

    Equal templates (whatever the order of their keys) give equal hashes; `collision_count` gives another one when two
    templates met in one name. The text is not upstream's, whose hash depends on how Go prints its structs.
    """
    state = _fnv32a(orjson.dumps(template, option=orjson.OPT_SORT_KEYS))
    if collision_count is not None:
        state = _fnv32a(collision_count.to_bytes(8, "little"), state)
    return safe_encode(str(state))


def safe_encode(text: str) -> str:
    """Each character mapped to the alphabet of generated names: no words by accident."""
    return "".join(_SUFFIX_ALPHABET[ord(char) % len(_SUFFIX_ALPHABET)] for char in text)


def _fnv32a(data: bytes, state: int = 0x811C9DC5) -> int:
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state

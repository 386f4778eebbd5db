"""The objects that `pilot create KIND ...` makes from flags, as kubectl makes them. Pure: words in, an object out."""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from machinery.objects.gvk import GVR

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Generator:
    """One kind that can be made from flags. usage: the words after `create`."""

    resource: GVR
    usage: str
    summary: str
    make: Callable[[str, Parsed], Object]
    flags: Sequence[Flag] = ()
    namespaced: bool = True
    aliases: Sequence[str] = ()


def _object(api_version: str, kind: str, name: str, **rest: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def _namespace(name: str, flags: Parsed) -> Object:
    return _object("v1", "Namespace", name)


def _service_account(name: str, flags: Parsed) -> Object:
    return _object("v1", "ServiceAccount", name)


def _deployment(name: str, flags: Parsed) -> Object:
    images = flags["image"]
    if not images:
        raise UsageError('required flag(s) "image" not set')
    if flags.rest and len(images) > 1:
        raise UsageError("cannot specify multiple --image options and command")
    containers = [{"name": _container_name(image), "image": image} for image in images]
    if flags.rest:
        containers[0]["command"] = flags.rest
    if flags["port"]:
        containers[0]["ports"] = [{"containerPort": flags["port"]}]
    labels = {"app": name}
    made = _object("apps/v1", "Deployment", name)
    made["metadata"]["labels"] = labels
    made["spec"] = {
        "replicas": flags["replicas"],
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    return made


def _container_name(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0].partition("@")[0].replace("_", "-").lower()


def _job(name: str, flags: Parsed) -> Object:
    return _object("batch/v1", "Job", name, spec={"template": _run_once(name, flags, "Never")})


def _cron_job(name: str, flags: Parsed) -> Object:
    if not flags["schedule"]:
        raise UsageError('required flag(s) "schedule" not set')
    template = {"metadata": {"name": name}, "spec": {"template": _run_once(name, flags, flags["restart"])}}
    return _object("batch/v1", "CronJob", name, spec={"schedule": flags["schedule"], "jobTemplate": template})


def _run_once(name: str, flags: Parsed, restart: str) -> Object:
    if not flags["image"]:
        raise UsageError("either --image or --from must be specified")
    container: Object = {"name": name, "image": flags["image"]}
    if flags.rest:
        container["command"] = flags.rest
    return {"spec": {"containers": [container], "restartPolicy": restart or "OnFailure"}}


def _config_map(name: str, flags: Parsed) -> Object:
    data, binary = _contents(flags)
    made = _object("v1", "ConfigMap", name)
    if data:
        made["data"] = data
    if binary:
        made["binaryData"] = binary
    return made


def _secret(name: str, flags: Parsed) -> Object:
    data, binary = _contents(flags)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return _object("v1", "Secret", name, type=flags["type"] or "Opaque", data={**encoded, **binary})


def _contents(flags: Parsed) -> tuple[dict[str, str], dict[str, str]]:
    """(texts, base64 of what is no text) from --from-literal, --from-file and --from-env-file."""
    data: dict[str, str] = {}
    binary: dict[str, str] = {}

    def put(key: str, value: bytes) -> None:
        if key in data or key in binary:
            raise CliError(f"cannot add key {key}, another key by that name already exists")
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
            files = sorted(inner for inner in path.iterdir() if inner.is_file()) if path.is_dir() else [path]
            if equals and path.is_dir():
                raise CliError("cannot give a key name for a directory path")
            for file in files:
                put(key or file.name, file.read_bytes())
        except OSError as error:
            raise CliError(f"error reading {filename}: {error.strerror}") from None
    if flags["from-env-file"]:
        try:
            lines = pathlib.Path(flags["from-env-file"]).read_text().splitlines()
        except OSError as error:
            raise CliError(f"error reading {flags['from-env-file']}: {error.strerror}") from None
        for line in lines:
            if line.strip() and not line.lstrip().startswith("#"):
                key, _, value = line.partition("=")
                put(key.strip(), value.encode())
    return data, binary


def _service(name: str, flags: Parsed, kind: str) -> Object:
    ports = [_service_port(text, flags) for text in flags["tcp"]]
    made = _object("v1", "Service", name)
    made["metadata"]["labels"] = {"app": name}
    spec: Object = {"type": kind}
    if kind == "ExternalName":
        if not flags["external-name"]:
            raise UsageError('required flag(s) "external-name" not set')
        spec["externalName"] = flags["external-name"]
    elif not ports and flags.values.get("clusterip") != "None":
        raise UsageError("at least one tcp port specifier must be provided")
    if flags.values.get("clusterip"):
        spec["clusterIP"] = flags["clusterip"]
    if ports:
        spec["ports"] = ports
    made["spec"] = {**spec, "selector": {"app": name}}
    return made


def _service_port(text: str, flags: Parsed) -> Object:
    port, _, target = text.partition(":")
    if not port.isdigit():
        raise UsageError(f"{text} is not a valid port: use PORT or PORT:TARGETPORT")
    made: Object = {
        "name": text.replace(":", "-"),
        "port": int(port),
        "protocol": "TCP",
        "targetPort": int(target) if target.isdigit() else target or int(port),
    }
    if flags.values.get("node-port"):
        made["nodePort"] = flags["node-port"]
    return made


def _rules(flags: Parsed) -> list[Object]:
    verbs = flags["verb"]
    if not verbs:
        raise UsageError("at least one verb must be specified")
    by_group: dict[str, list[str]] = {}
    for text in flags["resource"]:
        resource, _, group = text.partition(".")
        by_group.setdefault(group.partition("/")[0], []).append(resource)
    names = {"resourceNames": flags["resource-name"]} if flags["resource-name"] else {}
    rules = [{"apiGroups": [group], "resources": found, "verbs": verbs, **names} for group, found in by_group.items()]
    if flags.values.get("non-resource-url"):
        rules.append({"nonResourceURLs": flags["non-resource-url"], "verbs": verbs})
    if not rules:
        raise UsageError("at least one resource must be specified")
    return rules


def _role(name: str, flags: Parsed) -> Object:
    return _object("rbac.authorization.k8s.io/v1", "Role", name, rules=_rules(flags))


def _cluster_role(name: str, flags: Parsed) -> Object:
    return _object("rbac.authorization.k8s.io/v1", "ClusterRole", name, rules=_rules(flags))


def _binding(name: str, flags: Parsed, kind: str) -> Object:
    role, cluster_role = flags.values.get("role", ""), flags["clusterrole"]
    if bool(role) == bool(cluster_role):
        raise UsageError("exactly one of clusterrole or role must be specified" if kind == "RoleBinding"
                         else "exactly one clusterrole must be specified")  # fmt: skip
    subjects: list[Object] = []
    for what, names in (("User", flags["user"]), ("Group", flags["group"])):
        subjects += [{"kind": what, "apiGroup": "rbac.authorization.k8s.io", "name": each} for each in names]
    for text in flags["serviceaccount"]:
        namespace, colon, account = text.partition(":")
        if not colon or not account:
            raise UsageError("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "namespace": namespace, "name": account})
    ref = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole" if cluster_role else "Role",
        "name": cluster_role or role,
    }
    return _object("rbac.authorization.k8s.io/v1", kind, name, subjects=subjects, roleRef=ref)


def _quota(name: str, flags: Parsed) -> Object:
    spec: Object = {"hard": _pairs(flags["hard"])}
    if flags["scopes"]:
        spec["scopes"] = flags["scopes"]
    return _object("v1", "ResourceQuota", name, spec=spec)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"invalid argument syntax for {word}: expected key=value")
        pairs[key] = value
    return pairs


def _priority_class(name: str, flags: Parsed) -> Object:
    return _object(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        name,
        value=flags["value"],
        globalDefault=flags["global-default"],
        description=flags["description"],
        preemptionPolicy=flags["preemption-policy"],
    )


def _budget(name: str, flags: Parsed) -> Object:
    if bool(flags["min-available"]) == bool(flags["max-unavailable"]):
        raise UsageError("one of min-available or max-unavailable must be specified")
    if not flags["selector"]:
        raise UsageError("a selector must be specified")
    key = "minAvailable" if flags["min-available"] else "maxUnavailable"
    value = flags["min-available"] or flags["max-unavailable"]
    labels = _pairs(flags["selector"].split(","))
    spec = {key: int(value) if value.isdigit() else value, "selector": {"matchLabels": labels}}
    return _object("policy/v1", "PodDisruptionBudget", name, spec=spec)


_FROM = (
    Flag(
        "from-literal", "Specify a key and literal value to insert (i.e. mykey=somevalue)", kind=Kind.ARRAY, default=[]
    ),
    Flag("from-file", "A file, or key=file, or a directory of files.", kind=Kind.LIST, default=[]),
    Flag("from-env-file", "A file of key=value lines."),
)
_RULES = (
    Flag("verb", "Verb that applies to the resources contained in the rule", kind=Kind.LIST, default=[]),
    Flag("resource", "Resource that the rule applies to", kind=Kind.LIST, default=[]),
    Flag("resource-name", "Resource in the white list that the rule applies to", kind=Kind.ARRAY, default=[]),
)
_SUBJECTS = (
    Flag("clusterrole", "ClusterRole this binding should reference"),
    Flag("user", "Usernames to bind", kind=Kind.ARRAY, default=[]),
    Flag("group", "Groups to bind", kind=Kind.ARRAY, default=[]),
    Flag("serviceaccount", "Service accounts to bind, as <namespace>:<name>", kind=Kind.ARRAY, default=[]),
)
_TCP = Flag("tcp", "Port pairs can be specified as '<port>:<targetPort>'.", kind=Kind.LIST, default=[])
_IMAGE = Flag("image", "Image name to run.")
_RBAC = "rbac.authorization.k8s.io"


def _services() -> dict[str, Generator]:
    cluster_ip = Flag("clusterip", "Assign your own ClusterIP or 'None' for a headless service.")
    node_port = Flag("node-port", "Port used to expose the service on each node.", kind=Kind.INT, default=0)
    kinds: Mapping[str, tuple[str, Sequence[Flag]]] = {
        "clusterip": ("ClusterIP", (_TCP, cluster_ip)),
        "nodeport": ("NodePort", (_TCP, node_port)),
        "loadbalancer": ("LoadBalancer", (_TCP,)),
        "externalname": ("ExternalName", (_TCP, Flag("external-name", "External name of service"))),
    }
    return {
        f"service {word}": Generator(
            GVR("", "v1", "services"),
            f"service {word} NAME [--tcp=<port>:<targetPort>]",
            f"Create a {kind} service",
            lambda name, flags, kind=kind: _service(name, flags, kind),  # type: ignore[misc]  # mypy cannot infer it
            flags,
        )
        for word, (kind, flags) in kinds.items()
    }


GENERATORS: Mapping[str, Generator] = {
    "namespace": Generator(GVR("", "v1", "namespaces"), "namespace NAME", "Create a namespace", _namespace,
                           namespaced=False, aliases=("ns",)),
    "serviceaccount": Generator(GVR("", "v1", "serviceaccounts"), "serviceaccount NAME", "Create a service account",
                                _service_account, aliases=("sa",)),
    "deployment": Generator(
        GVR("apps", "v1", "deployments"), "deployment NAME --image=image -- [COMMAND] [args...]",
        "Create a deployment", _deployment,
        (
            Flag("image", "Image names to run.", kind=Kind.LIST, default=[]),
            Flag("replicas", "Number of replicas to create.", short="r", kind=Kind.INT, default=1),
            Flag("port", "The containerPort that this deployment exposes.", kind=Kind.INT, default=0),
        ),
        aliases=("deploy",),
    ),
    "job": Generator(GVR("batch", "v1", "jobs"), "job NAME --image=image -- [COMMAND] [args...]", "Create a job",
                     _job, (_IMAGE,)),
    "cronjob": Generator(
        GVR("batch", "v1", "cronjobs"), "cronjob NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND]",
        "Create a cron job", _cron_job,
        (_IMAGE, Flag("schedule", "A schedule in the Cron format."), Flag("restart", "Restart policy of the job.")),
        aliases=("cj",),
    ),
    "configmap": Generator(GVR("", "v1", "configmaps"), "configmap NAME [--from-file=[key=]source]",
                           "Create a config map", _config_map, _FROM, aliases=("cm",)),
    "secret generic": Generator(GVR("", "v1", "secrets"), "secret generic NAME [--from-literal=key1=value1]",
                                "Create a secret from a local file, directory, or literal value", _secret,
                                (*_FROM, Flag("type", "The type of secret to create"))),
    **_services(),
    "role": Generator(GVR(_RBAC, "v1", "roles"), "role NAME --verb=verb --resource=resource.group", "Create a role",
                      _role, _RULES),
    "clusterrole": Generator(
        GVR(_RBAC, "v1", "clusterroles"), "clusterrole NAME --verb=verb --resource=resource.group",
        "Create a cluster role", _cluster_role,
        (*_RULES, Flag("non-resource-url", "A URL that users may access.", kind=Kind.LIST, default=[])),
        namespaced=False,
    ),
    "rolebinding": Generator(
        GVR(_RBAC, "v1", "rolebindings"), "rolebinding NAME --clusterrole=NAME|--role=NAME [--user=username]",
        "Create a role binding", lambda name, flags: _binding(name, flags, "RoleBinding"),
        (*_SUBJECTS, Flag("role", "Role this RoleBinding should reference")),
    ),
    "clusterrolebinding": Generator(
        GVR(_RBAC, "v1", "clusterrolebindings"), "clusterrolebinding NAME --clusterrole=NAME [--user=username]",
        "Create a cluster role binding", lambda name, flags: _binding(name, flags, "ClusterRoleBinding"), _SUBJECTS,
        namespaced=False,
    ),
    "quota": Generator(
        GVR("", "v1", "resourcequotas"), "quota NAME [--hard=key1=value1,key2=value2]", "Create a quota", _quota,
        (
            Flag("hard", "A set of resource=quantity pairs that define a hard limit.", kind=Kind.LIST, default=[]),
            Flag("scopes", "A set of quota scopes that must all match each object.", kind=Kind.LIST, default=[]),
        ),
        aliases=("resourcequota",),
    ),
    "priorityclass": Generator(
        GVR("scheduling.k8s.io", "v1", "priorityclasses"), "priorityclass NAME --value=VALUE [--global-default=BOOL]",
        "Create a priority class", _priority_class,
        (
            Flag("value", "The value of this priority class.", kind=Kind.INT, default=0),
            switch("global-default", "Whether this is the priority of pods that name none."),
            Flag("description", "When this priority class should be used."),
            Flag("preemption-policy", "The policy for preempting pods.", default="PreemptLowerPriority"),
        ),
        namespaced=False, aliases=("pc",),
    ),
    "poddisruptionbudget": Generator(
        GVR("policy", "v1", "poddisruptionbudgets"), "poddisruptionbudget NAME --selector=SELECTOR --min-available=N",
        "Create a pod disruption budget", _budget,
        (
            Flag("min-available", "The minimum number or percentage of available pods."),
            Flag("max-unavailable", "The maximum number or percentage of unavailable pods."),
            Flag("selector", "A label selector to use for this budget.", short="l"),
        ),
        aliases=("pdb",),
    ),
}  # fmt: skip

"""`create namespace`, `serviceaccount`, `quota`, `priorityclass` and `poddisruptionbudget`."""

from __future__ import annotations

from cli.errors import UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.generators.generator import Generator, Object, new, pairs
from machinery.objects.gvk import GVR


def _namespace(name: str, flags: Parsed) -> Object:
    return new("v1", "Namespace", name)


def _service_account(name: str, flags: Parsed) -> Object:
    return new("v1", "ServiceAccount", name)


def _quota(name: str, flags: Parsed) -> Object:
    spec: Object = {"hard": pairs(flags["hard"])}
    if flags["scopes"]:
        spec["scopes"] = flags["scopes"]
    return new("v1", "ResourceQuota", name, spec=spec)


def _priority_class(name: str, flags: Parsed) -> Object:
    return new(
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
    labels = pairs(flags["selector"].split(","))
    spec = {key: int(value) if value.isdigit() else value, "selector": {"matchLabels": labels}}
    return new("policy/v1", "PodDisruptionBudget", name, spec=spec)


GENERATORS = {
    "namespace": Generator(GVR("", "v1", "namespaces"), "namespace NAME", "Create a namespace", "", _namespace,
                           namespaced=False, aliases=("ns",)),
    "serviceaccount": Generator(GVR("", "v1", "serviceaccounts"), "serviceaccount NAME", "Create a service account",
                                "serviceaccount", _service_account, aliases=("sa",)),
    "quota": Generator(
        GVR("", "v1", "resourcequotas"), "quota NAME [--hard=key1=value1,key2=value2]", "Create a quota", "quota",
        _quota,
        (
            Flag("hard", "A set of resource=quantity pairs that define a hard limit.", kind=Kind.LIST, default=[]),
            Flag("scopes", "A set of quota scopes that must all match each object.", kind=Kind.LIST, default=[]),
        ),
        aliases=("resourcequota",),
    ),
    "priorityclass": Generator(
        GVR("scheduling.k8s.io", "v1", "priorityclasses"), "priorityclass NAME --value=VALUE [--global-default=BOOL]",
        "Create a priority class", "priorityclass", _priority_class,
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
        "Create a pod disruption budget", "poddisruptionbudget", _budget,
        (
            Flag("min-available", "The minimum number or percentage of available pods."),
            Flag("max-unavailable", "The maximum number or percentage of unavailable pods."),
            Flag("selector", "A label selector to use for this budget.", short="l"),
        ),
        aliases=("pdb",),
    ),
}  # fmt: skip

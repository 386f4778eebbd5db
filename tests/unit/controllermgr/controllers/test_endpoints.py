"""What stands behind a Service, as Endpoints and as EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from controllermgr.controllers import endpoints, service_pods
from controllermgr.controllers import endpointslice_plan as slices
from machinery.client.resources import PODS
from machinery.informer import Change

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "ns", "name": "web", "uid": "s", "labels": {"team": "a"}},
    "spec": {
        "clusterIP": "10.96.0.5",
        "ipFamilies": ["IPv4"],
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    },
}


def pod(
    name: str,
    ip: str = "",
    *,
    ready: bool = True,
    deleting: bool = False,
    port: int = 8080,
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    address = ip or f"10.244.0.{len(name)}"
    found: dict[str, Any] = {
        "metadata": {"namespace": "ns", "name": name, "uid": f"uid-{name}", "labels": labels or {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": "http", "containerPort": port}]}], **spec},
        "status": {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
    if deleting:
        found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return found


NODES = {"n1": {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}}}


def with_spec(**spec: Any) -> dict[str, Any]:
    return {**SERVICE, "spec": {**SERVICE["spec"], **spec}}


def test_ready_addresses_stand_apart_from_the_others() -> None:
    pods = [pod("b", "10.0.0.2"), pod("a", "10.0.0.3"), pod("c", "10.0.0.1", ready=False)]
    (subset,) = endpoints.subsets(SERVICE, pods)
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.2", "10.0.0.3"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.0.0.1"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert subset["addresses"][0] == {
        "ip": "10.0.0.2",
        "nodeName": "n1",
        "targetRef": {"kind": "Pod", "namespace": "ns", "name": "b", "uid": "uid-b"},
    }


@pytest.mark.parametrize(
    ("each", "listed"),
    [
        pytest.param(pod("a"), True, id="running"),
        pytest.param(pod("a", labels={"app": "other"}), False, id="not selected"),
        pytest.param(pod("a", phase="Succeeded"), False, id="ended"),
        pytest.param(pod("a", deleting=True), False, id="being deleted"),
        pytest.param({**pod("a"), "status": {"phase": "Pending"}}, False, id="without an address"),
        pytest.param(pod("a", containers=[{"ports": []}]), False, id="without the port"),
    ],
)
def test_who_is_listed(each: dict[str, Any], listed: bool) -> None:
    assert bool(endpoints.subsets(SERVICE, [each])) is listed


def test_pods_with_other_port_numbers_make_another_subset() -> None:
    found = endpoints.subsets(SERVICE, [pod("a", port=8080), pod("bb", port=9090)])
    assert sorted(each["ports"][0]["port"] for each in found) == [8080, 9090]


def test_not_ready_ones_are_published_when_asked_for() -> None:
    (subset,) = endpoints.subsets(with_spec(publishNotReadyAddresses=True), [pod("a", ready=False, deleting=True)])
    assert len(subset["addresses"]) == 1
    assert "notReadyAddresses" not in subset


def test_a_headless_service_without_ports_and_hostnames() -> None:
    service = with_spec(clusterIP="None", ports=None)
    (subset,) = endpoints.subsets(service, [pod("a", hostname="a-0", subdomain="web")])
    assert subset["addresses"][0]["hostname"] == "a-0"
    assert "ports" not in subset


def test_more_than_a_thousand_are_cut_the_ready_ones_last() -> None:
    pods = [pod(f"p{n}", f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", ready=n % 2 == 0) for n in range(1, 1503)]
    found, cut = endpoints.truncated(endpoints.subsets(SERVICE, pods))
    assert cut
    assert endpoints.size(found) == 1000
    assert len(found[0]["addresses"]) == 751


def test_an_endpoint_says_what_it_can_do_and_where_it_is() -> None:
    def conditions(each: dict[str, Any], service: dict[str, Any] = SERVICE) -> list[bool]:
        found = slices.endpoint(each, service, "IPv4", NODES)["conditions"]
        return [found["ready"], found["serving"], found["terminating"]]

    assert conditions(pod("a")) == [True, True, False]
    assert conditions(pod("a", ready=False)) == [False, False, False]
    assert conditions(pod("a", deleting=True)) == [False, True, True]
    assert conditions(pod("a", ready=False), with_spec(publishNotReadyAddresses=True)) == [True, False, False]
    found = slices.endpoint(pod("a"), SERVICE, "IPv4", NODES)
    assert (found["nodeName"], found["zone"]) == ("n1", "z1")
    assert "hints" not in found
    near = slices.endpoint(pod("a"), with_spec(trafficDistribution="PreferSameNode"), "IPv4", NODES)
    assert near["hints"] == {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]}


def planned(pods: list[dict[str, Any]], existing: list[dict[str, Any]]) -> slices.Plan:
    return slices.plan(SERVICE, "IPv4", slices.desired(SERVICE, pods, "IPv4", NODES), existing)


def many(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [pod(f"p{n:04}", f"10.1.{n // 256}.{n % 256}") for n in range(first, first + count)]


def stored(found: slices.Plan) -> list[dict[str, Any]]:
    """The slices as they are after the plan was carried out from nothing."""
    return [
        {**each, "metadata": {**each["metadata"], "name": f"web-{number}", "uid": str(number)}}
        for number, each in enumerate(found.create)
    ]


def test_slices_hold_a_hundred_each() -> None:
    found = planned(many(250), [])
    assert [len(each["endpoints"]) for each in found.create] == [100, 100, 50]
    first = found.create[0]
    assert first["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert first["metadata"]["generateName"] == "web-"
    assert first["metadata"]["ownerReferences"][0]["kind"] == "Service"
    assert first["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_nothing_changed_writes_nothing() -> None:
    existing = stored(planned(many(250), []))
    found = planned(many(250), existing)
    assert (found.create, found.update, found.delete) == ([], [], [])


def test_a_new_endpoint_goes_into_one_slice_with_room() -> None:
    existing = stored(planned(many(250), []))
    found = planned(many(251), existing)
    assert (found.create, found.delete) == ([], [])
    assert [(each["metadata"]["name"], len(each["endpoints"])) for each in found.update] == [("web-2", 51)]


def test_a_slice_that_is_written_anyway_is_filled_first() -> None:
    existing = stored(planned(many(250), []))
    replaced = [*many(249, first=1), pod("fresh", "10.9.9.9")]
    found = planned(replaced, existing)
    assert [(each["metadata"]["name"], len(each["endpoints"])) for each in found.update] == [("web-0", 100)]


def test_what_became_empty_goes_and_one_blank_stays() -> None:
    existing = stored(planned(many(250), []))
    found = planned(many(100), existing)
    assert sorted(each["metadata"]["name"] for each in found.delete) == ["web-1", "web-2"]
    nobody = planned([], existing[:1])
    assert [each["endpoints"] for each in nobody.create] == [[]]
    assert [each["metadata"]["name"] for each in nobody.delete] == ["web-0"]
    blank = stored(nobody)
    again = planned([], blank)
    assert (again.create, again.update, again.delete) == ([], [], [])


def test_changed_labels_of_the_service_are_written_to_its_slices() -> None:
    existing = stored(planned(many(2), []))
    service = {**SERVICE, "metadata": {**SERVICE["metadata"], "labels": {"team": "b"}}}
    found = slices.plan(service, "IPv4", slices.desired(service, many(2), "IPv4", NODES), existing)
    assert [each["metadata"]["labels"]["team"] for each in found.update] == ["b"]


class Caches:
    """As much of Informers as the mapper reads."""

    def store(self, resource: Any) -> Any:
        return self

    def in_namespace(self, namespace: str) -> list[dict[str, Any]]:
        return [SERVICE]


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        pytest.param(None, pod("a"), ["ns/web"], id="added"),
        pytest.param(pod("a"), None, ["ns/web"], id="deleted"),
        pytest.param(pod("a", ready=False), pod("a"), ["ns/web"], id="became ready"),
        pytest.param(pod("a"), pod("a", labels={"app": "other"}), ["ns/web"], id="left"),
        pytest.param(pod("a"), pod("a", schedulerName="x"), [], id="changed nothing that shows"),
        pytest.param(None, pod("a", labels={"app": "other"}), [], id="is another's"),
    ],
)
def test_which_changes_concern_a_service(old: Any, new: Any, keys: list[str]) -> None:
    assert list(service_pods.services_of(Change(PODS, old, new), Caches())) == keys  # type: ignore[arg-type]

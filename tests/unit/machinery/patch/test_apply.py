"""Server-side apply and field ownership."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from machinery import errors
from machinery.objects import meta
from machinery.objects.gvk import GVK
from machinery.patch import apply as ssa
from machinery.patch import fieldset
from machinery.schema.definitions import builtin

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SCHEMA: Any = builtin().of_kind(GVK("apps", "v1", "Deployment"))


def _config(*containers: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": name, "image": "i"} for name in containers]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "namespace": "n", **({"labels": labels} if labels else {})},
        "spec": {"template": template, **spec},
    }


def _apply(live: Any, config: Any, manager: str = "me", *, force: bool = False, at: datetime = NOW) -> dict[str, Any]:
    return ssa.apply(SCHEMA, live, config, manager=manager, force=force, now=at)


def _update(old: Any, new: Any, manager: str = "editor", **more: Any) -> dict[str, Any]:
    return ssa.record_update(SCHEMA, old, new, manager=manager, now=NOW, **more)


def _owned(o: dict[str, Any], manager: str) -> list[str]:
    found = [entry["fieldsV1"] for entry in o["metadata"].get("managedFields", ()) if entry["manager"] == manager]
    return sorted(fieldset.show(path) for fields in found for path in fieldset.paths(fields))


def _containers(o: dict[str, Any]) -> list[str]:
    return [each["name"] for each in o["spec"]["template"]["spec"]["containers"]]


def test_first_apply_owns_what_it_names() -> None:
    created = _apply(None, _config("a", replicas=3))
    assert _owned(created, "me") == [
        ".spec.replicas",
        '.spec.template.spec.containers[name="a"]',
        '.spec.template.spec.containers[name="a"].image',
        '.spec.template.spec.containers[name="a"].name',
    ]
    entry = created["metadata"]["managedFields"][0]
    assert (entry["operation"], entry["apiVersion"], entry["time"]) == ("Apply", "apps/v1", "2024-01-01T00:00:00Z")


def test_fields_no_longer_applied_vanish() -> None:
    live = _apply(None, _config("a", "b", labels={"l": "1"}, replicas=3))
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"  # a default, owned by nobody
    again = _apply(live, _config("a"))
    assert _containers(again) == ["a"]
    assert "replicas" not in again["spec"]
    assert "labels" not in again["metadata"]


def test_defaults_of_others_fields_stay() -> None:
    live = _apply(None, _config("a"))
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    live["spec"]["revisionHistoryLimit"] = 10
    again = _apply(live, _config("a", replicas=1))
    assert again["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert again["spec"]["revisionHistoryLimit"] == 10


def test_conflict_names_manager_and_field() -> None:
    live = _apply(None, _config("a", replicas=3))
    changed = meta.deep_copy(live)
    changed["spec"]["replicas"] = 5
    live = _update(live, changed)
    assert _owned(live, "editor") == [".spec.replicas"]
    assert ".spec.replicas" not in _owned(live, "me")
    with pytest.raises(errors.Conflict) as caught:
        _apply(live, _config("a", replicas=3))
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "editor" using apps/v1: .spec.replicas'
    assert caught.value.details["causes"][0]["field"] == ".spec.replicas"


def test_force_takes_the_field() -> None:
    live = _update(None, _config("a", replicas=5))
    forced = _apply(live, _config("a", replicas=3), force=True)
    assert forced["spec"]["replicas"] == 3
    assert ".spec.replicas" in _owned(forced, "me") and ".spec.replicas" not in _owned(forced, "editor")


def test_same_value_is_shared_without_conflict() -> None:
    live = _apply(None, _config("a", replicas=3))
    shared = _apply(live, {**_config(replicas=3), "spec": {"replicas": 3}}, "other")
    assert ".spec.replicas" in _owned(shared, "me") and ".spec.replicas" in _owned(shared, "other")
    left = _apply(shared, {**_config(), "spec": {}}, "other")
    assert left["spec"]["replicas"] == 3  # the other owner still wants it
    assert _containers(_apply(left, {**_config("a"), "spec": _config("a")["spec"]})) == ["a"]


def test_two_managers_own_items_of_one_list() -> None:
    live = _apply(None, _config("a"))
    both = _apply(live, _config("b"), "other")
    assert _containers(both) == ["a", "b"]
    assert _containers(_apply(both, {**_config(), "spec": {}}, "other")) == ["a"]


def test_applied_items_stand_in_their_order() -> None:
    live = _apply(None, _config("a", "b"))
    assert _containers(_apply(live, _config("b", "a"))) == ["b", "a"]


def test_object_that_was_never_applied_belongs_to_whoever_made_it() -> None:
    unmanaged = _config("a", replicas=3)
    with pytest.raises(errors.Conflict, match="before-first-apply"):
        _apply(unmanaged, _config("a", replicas=4))
    assert _owned(_apply(unmanaged, _config("a", replicas=3)), "before-first-apply")


def test_port_protocol_may_be_left_out() -> None:
    config = _config("a")
    config["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    live = _apply(None, config)
    live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    again = _apply(live, config)
    assert again["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_time_moves_only_when_ownership_changes() -> None:
    live = _apply(None, _config("a"))
    later = NOW + timedelta(hours=1)
    assert _apply(live, _config("a"), at=later) == live
    assert (
        _apply(live, _config("a", replicas=1), at=later)["metadata"]["managedFields"][0]["time"]
        != "2024-01-01T00:00:00Z"
    )


def test_applied_config_must_not_carry_ownership() -> None:
    config = _config("a")
    config["metadata"]["managedFields"] = [{"manager": "x"}]
    with pytest.raises(errors.BadRequest, match=r"metadata.managedFields must be nil"):
        _apply(None, config)


def test_status_writers_are_managers_of_their_own() -> None:
    live = _update(None, _config("a"), "kubectl")
    changed = {**live, "status": {"replicas": 1}}
    both = _update(live, changed, "kubectl", subresource="status")
    assert [entry.get("subresource") for entry in both["metadata"]["managedFields"]] == [None, "status"]
    ignored = _update(live, changed, "kubectl", ignore=[("f:status",)])
    assert ".status.replicas" not in _owned(ignored, "kubectl")


def test_server_fields_belong_to_nobody() -> None:
    o = _config("a")
    o["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1, "creationTimestamp": "2024-01-01T00:00:00Z"}
    assert not [path for path in _owned(_update(None, o), "editor") if path.startswith(".metadata")]


def test_removed_fields_leave_their_owners() -> None:
    live = _apply(None, _config("a", "b", replicas=3))
    changed = meta.deep_copy(live)
    del changed["spec"]["replicas"]
    del changed["spec"]["template"]["spec"]["containers"][1]
    after = _update(live, changed)
    assert not [path for path in _owned(after, "me") if "replicas" in path or '"b"' in path]


def test_many_updaters_are_merged_oldest_first() -> None:
    o = _config("a", labels={"l": "0"})
    for number in range(15):
        changed = meta.deep_copy(o)
        changed["metadata"].setdefault("labels", {})[f"k{number}"] = "v"
        o = ssa.record_update(SCHEMA, o, changed, manager=f"m{number}", now=NOW + timedelta(seconds=number))
    managers = [entry["manager"] for entry in o["metadata"]["managedFields"]]
    assert len(managers) == ssa.MAX_UPDATE_MANAGERS
    assert "ancient-changes" in managers and "m14" in managers and "m0" not in managers
    assert ".metadata.labels.k0" in _owned(o, "ancient-changes")

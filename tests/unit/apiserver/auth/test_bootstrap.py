"""The default roles: what is written at first start, what at the next, and roles that are sums."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.auth.bootstrap.aggregation import settle
from apiserver.auth.bootstrap.notation import AUTOUPDATE, cluster_role, rule
from apiserver.auth.bootstrap.reconcile import defaults, plan
from machinery.objects import meta

Object = dict[str, Any]


def stored() -> dict[tuple[str, str, str], Object]:
    return {(obj["kind"], meta.namespace(obj), meta.name(obj)): obj for obj in defaults()}


def test_at_first_everything_is_made() -> None:
    assert len(plan(lambda kind, namespace, name: None).create) == len(defaults())


def test_then_nothing_is_written() -> None:
    objects = stored()
    todo = plan(lambda *key: objects.get(key))
    assert (todo.create, todo.update, todo.replace) == ([], [], [])


def test_names_are_unique() -> None:
    assert len(stored()) == len(defaults())


def test_what_is_missing_comes_back_and_what_was_added_stays() -> None:
    objects = stored()
    key = ("ClusterRole", "", "system:kube-scheduler")
    own = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["widgets"]}
    objects[key] = {**objects[key], "rules": [own, *objects[key]["rules"][1:]]}
    (update,) = plan(lambda *key: objects.get(key)).update
    assert update["rules"][0] == own
    objects[key] = update
    assert plan(lambda *key: objects.get(key)).update == []


def test_a_lost_subject_comes_back() -> None:
    objects = stored()
    key = ("ClusterRoleBinding", "", "cluster-admin")
    mine = {"kind": "User", "name": "me", "apiGroup": "rbac.authorization.k8s.io"}
    objects[key] = {**objects[key], "subjects": [mine]}
    (update,) = plan(lambda *key: objects.get(key)).update
    assert [subject["name"] for subject in update["subjects"]] == ["me", "system:masters"]


def test_autoupdate_false_is_left_alone() -> None:
    objects = stored()
    key = ("ClusterRole", "", "view")
    role = meta.with_annotations(objects[key], {AUTOUPDATE: "false"})
    objects[key] = {**role, "aggregationRule": None, "rules": []}
    todo = plan(lambda *key: objects.get(key))
    assert (todo.update, todo.replace) == ([], [])


def test_a_binding_to_another_role_is_made_anew() -> None:
    objects = stored()
    key = ("ClusterRoleBinding", "", "system:basic-user")
    objects[key] = {**objects[key], "roleRef": {**objects[key]["roleRef"], "name": "cluster-admin"}}
    (replace,) = plan(lambda *key: objects.get(key)).replace
    assert replace["roleRef"]["name"] == "system:basic-user"


def test_admin_has_what_edit_has_and_edit_what_view_has() -> None:
    roles = {meta.name(obj): obj for obj in defaults() if obj["kind"] == "ClusterRole"}
    for each in roles["system:aggregate-to-view"]["rules"]:
        assert each in roles["view"]["rules"]
    for each in roles["view"]["rules"]:
        assert each in roles["edit"]["rules"]
    for each in roles["edit"]["rules"]:
        assert each in roles["admin"]["rules"]
    assert not any("secrets" in each.get("resources", ()) for each in roles["view"]["rules"])


def test_a_custom_role_joins_and_leaves_the_sum() -> None:
    roles = {meta.name(obj): obj for obj in defaults() if obj["kind"] == "ClusterRole"}
    assert settle(roles) == {}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    mine = cluster_role("widgets", ["get | example.com | widgets"], labels=labels)
    changed = settle({**roles, "widgets": mine})
    assert sorted(changed) == ["admin", "edit", "view"]
    assert mine["rules"][0] in changed["admin"]["rules"]
    assert sorted(settle({**roles, **changed})) == ["admin", "edit", "view"]


def test_notation() -> None:
    assert rule("get list | core apps | pods | a") == {
        "verbs": ["get", "list"],
        "apiGroups": ["", "apps"],
        "resources": ["pods"],
        "resourceNames": ["a"],
    }
    assert rule("get | /healthz") == {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}
    with pytest.raises(ValueError, match="not a rule"):
        rule("get")

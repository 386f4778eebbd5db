"""`auth can-i`, and a service account's `--token`: what it may not do is refused, and not done."""

from __future__ import annotations

import pytest

from tests.e2e.pilot.conftest import Pilot


@pytest.fixture(scope="module")
def token(here: Pilot, web: str) -> str:
    """Of an account that may look at Deployments and nothing else."""
    here("create", "sa", "watcher")
    here("create", "role", "watcher", "--verb=get,list", "--resource=deployments")
    here("create", "rolebinding", "watcher", "--role=watcher", "--serviceaccount=test-rights:watcher")
    return here("create", "token", "watcher").strip()


def test_the_admin_may_do_all(here: Pilot) -> None:
    for words in ("* *", "delete nodes", "get pods/x --subresource=log", "get /healthz"):
        assert here("auth", "can-i", *words.split()) == "yes\n"


@pytest.mark.parametrize(
    ("words", "may"),
    [("get deployments", True), ("list deploy", True), ("delete deployments", False), ("get pods", False),
     ("get deployments -n default", False), ("get /api", True)],
)  # fmt: skip
def test_an_account_may_do_what_it_was_given(here: Pilot, token: str, words: str, may: bool) -> None:
    result = here.run("auth", "can-i", *words.split(), "--token", token)
    assert (result.code, result.out) == ((0, "yes\n") if may else (1, "no\n"))
    assert here.run("auth", "can-i", *words.split(), "--token", token, "-q").out == ""


def test_and_is_refused_the_rest(here: Pilot, token: str, web: str) -> None:
    assert here("get", web, "-o", "name", "--token", token) == "deployment.apps/web\n"
    for words in (("delete", web), ("scale", web, "--replicas=0"), ("get", "pods"), ("label", web, "a=b"), ("units",)):
        refused = here.fails(*words, "--token", token)
        assert refused.startswith("Error from server (Forbidden): ")
        assert 'ser "system:serviceaccount:test-rights:watcher"' in refused
    after = here.json(web)
    assert after["spec"]["replicas"] == 2 and "a" not in after["metadata"]["labels"]
    assert here.fails("get", "pods", "--token", "nonsense").startswith("error: You must be logged in to the server")

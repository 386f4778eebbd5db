"""Who may do what: RBAC, impersonation, tokens, certificates."""

from __future__ import annotations

import base64
from typing import Any

import pytest_asyncio

from tests.e2e.kubectl.conftest import Cluster
from tests.support.kubectl import Kubectl


async def test_can_i(cluster: Cluster, kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "*", "*") == "yes\n"
    result = await kubectl.run("auth", "can-i", "list", "pods", "--as=bob")
    assert (result.code, result.out) == (1, "no\n")
    await kubectl("create", "rolebinding", "watchers", "--clusterrole=view", "--user=bob")
    assert await kubectl("auth", "can-i", "list", "pods", "--as=bob") == "yes\n"
    result = await kubectl.run("auth", "can-i", "list", "pods", "--as=bob", "-n", "default")
    assert (result.code, result.out) == (1, "no\n")
    result = await kubectl.run("auth", "can-i", "delete", "pods", "--as=bob")
    assert (result.code, result.out) == (1, "no\n")
    assert await kubectl("auth", "can-i", "get", "/version", "--as=bob") == "yes\n"
    listed = await kubectl("auth", "can-i", "--list", "--as=bob")
    assert "selfsubjectaccessreviews.authorization.k8s.io" in listed and "[get list watch]" in listed
    assert "bob" in await kubectl("auth", "whoami", "--as=bob", "--as-group=staff")


async def test_what_may_not_be_done_says_so(cluster: Cluster, kubectl: Kubectl) -> None:
    here = f'in the namespace "{cluster.namespace}"'
    for command, what, action, group, where in (
        ("get pods", "pods", "list", "", here),
        ("get pods -A", "pods", "list", "", "at the cluster scope"),
        ("delete deploy d", 'deployments.apps "d"', "delete", "apps", here),
        ("get node node-1", 'nodes "node-1"', "get", "", "at the cluster scope"),
    ):
        resource = what.partition(" ")[0].removesuffix(".apps")
        said = f'{what} is forbidden: User "bob" cannot {action} resource "{resource}" in API group "{group}" {where}'
        assert await kubectl.fails(*command.split(), "--as=bob") == f"Error from server (Forbidden): {said}"
    assert "cannot create resource" in await kubectl.fails("create", "configmap", "c", "--as=bob")


async def test_roles_as_they_are_granted(cluster: Cluster, kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c")
    await kubectl("create", "role", "r", "--verb=get,list", "--resource=configmaps", "--resource-name=c")
    await kubectl("create", "rolebinding", "rb", "--role=r", "--group=staff")
    bob = ("--as=bob", "--as-group=staff")
    assert await kubectl("get", "cm", "c", "-o", "name", *bob) == "configmap/c\n"
    assert "cannot list" in await kubectl.fails("get", "cm", *bob)
    assert "cannot get" in await kubectl.fails("get", "cm", "other", *bob)
    text = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"
        f"metadata: {{name: r, namespace: {cluster.namespace}}}\n"
        "rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list, create]}]\n"
    )
    assert "reconciled" in await kubectl("auth", "reconcile", "-f", "-", stdin=text)
    assert "configmap/x created" in await kubectl("create", "configmap", "x", *bob)
    await kubectl("delete", "rolebinding", "rb")
    assert "cannot create" in await kubectl.fails("create", "configmap", "y", *bob)


async def test_nobody_grants_what_they_do_not_have(kubectl: Kubectl) -> None:
    await kubectl("create", "rolebinding", "rb", "--clusterrole=admin", "--user=carl")
    said = await kubectl.fails("create", "role", "r", "--verb=get", "--resource=nodes", "--as=carl")
    assert said == (
        'Error from server (Forbidden): roles.rbac.authorization.k8s.io "r" is forbidden: user "carl" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}'
    )
    said = await kubectl.fails("create", "rolebinding", "x", "--clusterrole=cluster-admin", "--user=carl", "--as=carl")
    assert said.splitlines()[1:] == [
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
        '{NonResourceURLs:["*"], Verbs:["*"]}',
    ]


@pytest_asyncio.fixture
async def robot(cluster: Cluster, kubectl: Kubectl) -> Kubectl:
    """kubectl with the token of a service account."""
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot", "--duration=10m")).strip()
    return cluster.with_user("robot", {"token": token})


async def test_tokens_of_service_accounts(cluster: Cluster, kubectl: Kubectl, robot: Kubectl) -> None:
    name = f"system:serviceaccount:{cluster.namespace}:robot"
    who = await robot("auth", "whoami", "-o", "json")
    assert name in who and f"system:serviceaccounts:{cluster.namespace}" in who
    assert f'User "{name}" cannot list resource "pods"' in await robot.fails("get", "pods")
    await kubectl("create", "rolebinding", "rb", "--clusterrole=edit", f"--serviceaccount={cluster.namespace}:robot")
    assert await robot("create", "configmap", "c") == "configmap/c created\n"
    assert await kubectl("get", "cm", "c", "--as", name, "-o", "name") == "configmap/c\n"
    await kubectl("delete", "serviceaccount", "robot")
    said = await robot.fails("get", "pods")
    assert said.splitlines()[-1].startswith("error: You must be logged in to the server (")
    said = await kubectl.fails("create", "token", "robot")
    assert said == 'error: failed to create token: serviceaccounts "robot" not found'


async def test_bad_tokens(cluster: Cluster) -> None:
    for token in ("nonsense", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA"):
        said = await cluster.with_user("nobody", {"token": token}).fails("get", "pods")
        assert said.splitlines()[-1].startswith("error: You must be logged in to the server (")


async def test_a_certificate_is_requested_approved_and_used(cluster: Cluster, kubectl: Kubectl) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "devs"), x509.NameAttribute(NameOID.COMMON_NAME, "dave")]
    )
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = asked.public_bytes(serialization.Encoding.PEM)
    name = f"dave-{cluster.namespace}"
    await kubectl("apply", "-f", "-", stdin=f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {name}}}
spec:
  request: {base64.b64encode(pem).decode()}
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
""")  # fmt: skip
    assert (await kubectl("get", "csr", name, "--no-headers")).split()[-1] == "Pending"
    assert await kubectl("certificate", "approve", name) == (
        f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    )
    await kubectl("wait", f"csr/{name}", "--for=jsonpath={.status.certificate}", "--timeout=20s")
    assert (await kubectl("get", "csr", name, "--no-headers")).split()[-1] == "Approved,Issued"
    request: Any = await kubectl.json("get", "csr", name)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    dave = cluster.with_user(
        "dave",
        {
            "client-certificate-data": request["status"]["certificate"],
            "client-key-data": base64.b64encode(private).decode(),
        },
    )
    assert 'User "dave" cannot list resource "pods"' in await dave.fails("get", "pods")
    await kubectl("create", "rolebinding", "rb", "--clusterrole=view", "--group=devs")
    assert await dave("get", "pods", "-o", "name") == ""
    assert "cannot impersonate" in await dave.fails("get", "pods", "--as=admin")
    assert "already Approved" in await kubectl.fails("certificate", "deny", name)
    await kubectl("delete", "csr", name)

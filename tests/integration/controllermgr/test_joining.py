"""What a host needs to join: a token, cluster-info signed with it, and a certificate."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from machinery.client.api import Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS, CONFIG_MAPS, SECRETS
from machinery.objects import conditions, timefmt
from machinery.objects.gvk import GVR
from tests.support.workloads import Stage, stage

BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"


async def allow(on: Stage, group: str, role: str) -> None:
    """What `pilot init` binds."""
    await on.client.create(
        BINDINGS,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"test:{role.rpartition(':')[2]}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        },
    )


def request(node: str) -> Object:
    names = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    pem = x509.CertificateSigningRequestBuilder().subject_name(names).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"csr-{node}"},
        "spec": {
            "request": base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }


async def ask(on: Stage, node: str, user: str, group: str) -> Object:
    """Send a request as somebody, and see what became of it."""
    client = on.cluster.client(user=user, groups=(group, "system:authenticated"))
    await client.create(CERTIFICATE_SIGNING_REQUESTS, request(node))
    await on.settle()
    return await on.client.get(CERTIFICATE_SIGNING_REQUESTS, f"csr-{node}")


async def test_a_joining_node_gets_its_certificate() -> None:
    async with stage() as on:
        await allow(on, BOOTSTRAPPERS, "system:node-bootstrapper")
        await allow(on, BOOTSTRAPPERS, "system:certificates.k8s.io:certificatesigningrequests:nodeclient")
        csr = await ask(on, "n1", "system:bootstrap:abcdef", BOOTSTRAPPERS)
        approved = conditions.get(csr, "Approved")
        assert approved is not None
        assert approved["reason"] == "AutoApproved"
        cert = x509.load_pem_x509_certificate(base64.b64decode(csr["status"]["certificate"]))
        assert cert.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"


async def test_who_may_not_gets_none() -> None:
    async with stage() as on:
        await allow(on, "somebody", "system:node-bootstrapper")
        csr = await ask(on, "n1", "mallory", "somebody")
        assert "certificate" not in csr.get("status", {})
        assert conditions.get(csr, "Approved") is None


async def test_cluster_info_is_signed_with_every_token_and_tokens_end() -> None:
    async with stage() as on:
        info: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cluster-info", "namespace": "kube-public"},
            "data": {"kubeconfig": "apiVersion: v1\nkind: Config\n"},
        }
        await on.client.create(CONFIG_MAPS, info)
        end = timefmt.format(on.cluster.clock.now().replace(hour=23))
        secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": "abcdef",
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-signing": "true",
                "usage-bootstrap-authentication": "true",
                "expiration": end,
            },
        }
        await on.client.create(SECRETS, secret)
        await on.settle()
        data = (await on.client.get(CONFIG_MAPS, "cluster-info", namespace="kube-public"))["data"]
        assert data["jws-kubeconfig-abcdef"].count("..") == 1
        await on.advance(hours=24)
        assert (await on.client.list(SECRETS, namespace="kube-system")).items == []
        data = (await on.client.get(CONFIG_MAPS, "cluster-info", namespace="kube-public"))["data"]
        assert set(data) == {"kubeconfig"}

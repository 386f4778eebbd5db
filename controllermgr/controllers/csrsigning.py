"""Signs approved requests for the built-in signers with the cluster's authority."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime, timedelta
from typing import Any

from controllermgr.controllers import csr_rules as rules
from machinery.client.api import Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import conditions, workload

BACKDATE = timedelta(minutes=5)
"""A certificate is valid from a little before now, for hosts whose clocks are behind."""
SHORTEST = 600
"""Seconds that a certificate is valid at least."""


class Authority:
    """A certificate authority. PEM in; raises ValueError for what is none."""

    def __init__(self, cert: str, key: str) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        self._cert = x509.load_pem_x509_certificate(cert.encode())
        self._key: Any = serialization.load_pem_private_key(key.encode(), password=None)

    def sign(self, csr: Object, request: Any, *, seconds: float, now: datetime) -> bytes:
        """A PEM certificate for the request: its subject and names, the usages that the CSR asks for."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519

        end = min(now + timedelta(seconds=seconds), self._cert.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._cert.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - BACKDATE, self._cert.not_valid_before_utc))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_authority_key_id(self._cert), critical=False)
        )
        usages = workload.spec(csr).get("usages") or ()
        if key_usage := _key_usage(usages):
            builder = builder.add_extension(key_usage, critical=True)
        purposes = _purposes(usages)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if names := rules.alternative_names(request):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        digest = None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(self._key, digest).public_bytes(serialization.Encoding.PEM)


def _authority_key_id(cert: Any) -> Any:
    from cryptography import x509

    try:
        own = cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(cert.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _key_usage(usages: Any) -> Any:
    """None when no usage is one of the key's: an empty extension makes a certificate that nobody accepts."""
    from cryptography import x509

    wanted = set(usages)
    bits = {
        "digital_signature": "digital signature" in wanted or "signing" in wanted,
        "content_commitment": "content commitment" in wanted,
        "key_encipherment": "key encipherment" in wanted,
        "data_encipherment": "data encipherment" in wanted,
        "key_agreement": "key agreement" in wanted,
    }
    if not any(bits.values()):
        return None
    return x509.KeyUsage(**bits, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False)


def _purposes(usages: Any) -> list[Any]:
    from cryptography.x509.oid import ExtendedKeyUsageOID as Oid

    known = {
        "client auth": Oid.CLIENT_AUTH,
        "server auth": Oid.SERVER_AUTH,
        "code signing": Oid.CODE_SIGNING,
        "email protection": Oid.EMAIL_PROTECTION,
        "timestamping": Oid.TIME_STAMPING,
        "ocsp signing": Oid.OCSP_SIGNING,
        "any": Oid.ANY_EXTENDED_KEY_USAGE,
    }
    return [known[usage] for usage in usages if usage in known]


class Signer:
    """The reconciler. Without an authority it signs nothing."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._log = context.log
        self._longest = float(context.config["duration"])
        self._cert: str = context.config["cert"]
        self._key: str = context.config["key"]
        self._authority: Authority | None = None
        self._requests = context.informers.store(CERTIFICATE_SIGNING_REQUESTS)

    async def reconcile(self, key: str) -> Outcome:
        csr = self._requests.get(key)
        if csr is None or rules.is_signed(csr) or not rules.is_approved(csr):
            return DONE
        spec, status = workload.spec(csr), workload.status(csr)
        if spec.get("signerName") not in rules.SIGNERS or not (self._cert and self._key):
            return DONE
        now = self._clock.now()
        try:
            request = rules.parse(csr)
            rules.check(csr, request)
        except rules.BadRequestInside as error:
            told = conditions.merged(
                list(conditions.all_of(csr)),
                "Failed",
                "True",
                reason="SignerValidationFailure",
                message=str(error),
                now=now,
            )
            await self._write(csr, {**status, "conditions": told})
            return DONE
        wished = spec.get("expirationSeconds")
        seconds = self._longest if wished is None else min(max(float(wished), SHORTEST), self._longest)
        # Signing takes milliseconds with an RSA key: off the loop.
        with self._clock.external("sign certificate"):
            pem = await asyncio.to_thread(self._sign, csr, request, seconds, now)
        await self._write(csr, {**status, "certificate": base64.b64encode(pem).decode()})
        self._log.info("signed certificate name=%s signer=%s", key, spec.get("signerName"))
        return DONE

    def _sign(self, csr: Object, request: Any, seconds: float, now: datetime) -> bytes:
        self._authority = self._authority or Authority(self._cert, self._key)
        return self._authority.sign(csr, request, seconds=seconds, now=now)

    async def _write(self, csr: Object, status: Object) -> None:
        try:
            await self._client.update(CERTIFICATE_SIGNING_REQUESTS, {**csr, "status": status}, subresource="status")
        except NotFound:
            return


SPEC = ControllerSpec(
    "csrsigning",
    make=Signer,
    aliases=("certificatesigningrequest-signing",),
    component="certificate-controller",
    description="Signs approved certificate signing requests",
    watches=(Watch(CERTIFICATE_SIGNING_REQUESTS),),
    config={"cert": "", "key": "", "duration": 365 * 24 * 3600.0},
)

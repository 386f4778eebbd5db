"""Where volumes come from: those of pods and PersistentVolumes.

Most sources are a sentence and a few of their fields, so they are rows of `SOURCES`; the others are functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.describe.containers import optional
from cli.describe.text import NONE, UNSET, Text
from machinery.objects.quantity import parse_or_zero

Object = Mapping[str, Any]
Fields = Sequence[tuple[str, str, object]]

FS_TYPE, READ_ONLY = ("FSType", "fsType", ""), ("ReadOnly", "readOnly", False)

# source -> what it is, and its fields as (label, field, what stands for an absent one)
SOURCES: Mapping[str, tuple[str, Fields]] = {
    "hostPath": (
        "HostPath (bare host directory volume)",
        (("Path", "path", ""), ("HostPathType", "type", NONE)),
    ),
    "gcePersistentDisk": (
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        (("PDName", "pdName", ""), FS_TYPE, ("Partition", "partition", 0), READ_ONLY),
    ),
    "awsElasticBlockStore": (
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        (("VolumeID", "volumeID", ""), FS_TYPE, ("Partition", "partition", 0), READ_ONLY),
    ),
    "gitRepo": (
        "GitRepo (a volume that is pulled from git when the pod is created)",
        (("Repository", "repository", ""), ("Revision", "revision", "")),
    ),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server", "server", ""), ("Path", "path", ""), READ_ONLY),
    ),
    "local": ("LocalVolume (a persistent volume backed by local storage on a node)", (("Path", "path", ""),)),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName", ""), READ_ONLY),
    ),
    "image": (
        "Image (a container image or OCI artifact)",
        (("Reference", "reference", ""), ("PullPolicy", "pullPolicy", "")),
    ),
    "iscsi": (
        "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
        (
            ("TargetPortal", "targetPortal", ""), ("IQN", "iqn", ""), ("Lun", "lun", 0),
            ("ISCSIInterface", "iscsiInterface", ""), FS_TYPE, READ_ONLY, ("Portals", "portals", []),
            ("DiscoveryCHAPAuth", "chapAuthDiscovery", False), ("SessionCHAPAuth", "chapAuthSession", False),
            ("InitiatorName", "initiatorName", NONE),
        ),
    ),
    "fc": (
        "FC (a Fibre Channel disk)",
        (("TargetWWNs", "targetWWNs", []), ("LUN", "lun", NONE), FS_TYPE, READ_ONLY),
    ),
    "rbd": (
        "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
        (
            ("CephMonitors", "monitors", []), ("RBDImage", "image", ""), FS_TYPE,
            ("RBDPool", "pool", ""), ("RadosUser", "user", ""), ("Keyring", "keyring", ""),
            READ_ONLY,
        ),
    ),
    "cephfs": (
        "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
        (
            ("Monitors", "monitors", []), ("Path", "path", ""), ("User", "user", ""), ("SecretFile", "secretFile", ""),
            READ_ONLY,
        ),
    ),
    "azureFile": (
        "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        (("SecretName", "secretName", ""), ("ShareName", "shareName", ""), READ_ONLY),
    ),
    "flexVolume": (
        "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
        (("Driver", "driver", ""), FS_TYPE, READ_ONLY, ("Options", "options", {})),
    ),
    "vsphereVolume": (
        "vSphereVolume (a Persistent Disk resource in vSphere)",
        (("VolumePath", "volumePath", ""), FS_TYPE, ("StoragePolicyName", "storagePolicyName", "")),
    ),
}  # fmt: skip


def volumes(text: Text, listed: Sequence[Object], *, level: int = 0) -> None:
    """The volumes of a pod or of a template."""
    if not listed:
        text.field("Volumes", NONE, level=level)
        return
    text.head("Volumes", level=level)
    for volume in listed:
        text.head(f" {volume['name']}" if level else volume["name"], level=1)
        source(text, {key: value for key, value in volume.items() if key != "name"})


def source(text: Text, holder: Object) -> None:
    """The one source that a volume (or a PersistentVolume's spec) holds, at level 2."""
    for key, special in SPECIAL.items():
        if holder.get(key) is not None:
            special(text, holder[key])
            return
    for key, (sentence, fields) in SOURCES.items():
        if holder.get(key) is not None:
            text.field("Type", sentence, level=2)
            for label, field, absent in fields:
                text.field(label, holder[key].get(field, absent), level=2)
            return
    text.line("<unknown>", level=1)


def _config_map(text: Text, each: Object) -> None:
    text.field("Type", "ConfigMap (a volume populated by a ConfigMap)", level=2)
    text.field("Name", each.get("name", ""), level=2)
    text.field("Optional", optional(each), level=2)


def _secret(text: Text, each: Object) -> None:
    text.field("Type", "Secret (a volume populated by a Secret)", level=2)
    text.field("SecretName", each.get("secretName", ""), level=2)
    text.field("Optional", optional(each), level=2)


def _empty_dir(text: Text, each: Object) -> None:
    limit = parse_or_zero(each.get("sizeLimit"))
    text.field("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)", level=2)
    text.field("Medium", each.get("medium", ""), level=2)
    text.field("SizeLimit", UNSET if limit.is_zero() else limit, level=2)


def _downward(text: Text, each: Object) -> None:
    text.field("Type", "DownwardAPI (a volume populated by information about the pod)", level=2)
    text.head("Items", level=2)
    for item in each.get("items") or ():
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field or resource:
            text.line(f"{field['fieldPath'] if field else resource['resource']} -> {item['path']}", level=3)


def _projected(text: Text, each: Object) -> None:
    text.field("Type", "Projected (a volume that contains injected data from multiple sources)", level=2)
    for part in each.get("sources") or ():
        match part:
            case {"secret": secret}:
                text.field("SecretName", secret.get("name", ""), level=2)
                text.field("Optional", optional(secret), level=2)
            case {"downwardAPI": _}:
                text.field("DownwardAPI", True, level=2)
            case {"configMap": config_map}:
                text.field("ConfigMapName", config_map.get("name", ""), level=2)
                text.field("Optional", optional(config_map), level=2)
            case {"serviceAccountToken": token}:
                text.field("TokenExpirationSeconds", token.get("expirationSeconds", 0), level=2)


def _ephemeral(text: Text, each: Object) -> None:
    sentence = "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
    text.field("Type", sentence, level=2)
    if each.get("volumeClaimTemplate"):
        claim(text, each["volumeClaimTemplate"], level=2)


def _csi(text: Text, each: Object) -> None:
    text.field("Type", "CSI (a Container Storage Interface (CSI) volume source)", level=2)
    text.field("Driver", each.get("driver", ""), level=2)
    text.field("FSType", each.get("fsType", ""), level=2)
    text.given("VolumeHandle", each.get("volumeHandle"), level=2)
    text.field("ReadOnly", bool(each.get("readOnly")), level=2)
    text.pairs("VolumeAttributes", each.get("volumeAttributes"), level=2)


SPECIAL: Mapping[str, Callable[[Text, Object], None]] = {
    "configMap": _config_map,
    "secret": _secret,
    "emptyDir": _empty_dir,
    "downwardAPI": _downward,
    "projected": _projected,
    "ephemeral": _ephemeral,
    "csi": _csi,
}

SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def storage_class(obj: Object) -> str:
    """The class of a claim or a volume; "" for none."""
    beta = ((obj.get("metadata") or {}).get("annotations") or {}).get(BETA_CLASS)
    return beta if beta is not None else obj["spec"].get("storageClassName") or ""


def access(modes: Sequence[str] | None) -> str:
    """`RWO,RWX`, always in the same order."""
    return ",".join(short for mode, short in SHORT.items() if mode in (modes or ()))


def claim(text: Text, obj: Object, *, level: int = 0, whole: bool = False) -> None:
    """A PersistentVolumeClaim, or (not `whole`) the template of one."""
    about, spec, status = obj.get("metadata") or {}, obj["spec"], obj.get("status") or {}
    text.field("StorageClass", storage_class(obj), level=level)
    if whole:
        text.field("Status", status.get("phase", ""), level=level)
    text.field("Volume", spec.get("volumeName", ""), level=level)
    text.pairs("Labels", about.get("labels"), level=level)
    text.annotations("Annotations", about.get("annotations"), level=level)
    if whole:
        text.field("Finalizers", about.get("finalizers") or [], level=level)
    bound = bool(spec.get("volumeName"))
    text.field("Capacity", (status.get("capacity") or {}).get("storage", "0") if bound else "", level=level)
    text.field("Access Modes", access(status.get("accessModes")) if bound else "", level=level)
    text.given("VolumeMode", spec.get("volumeMode"), level=level)
    if spec.get("dataSource"):
        text.head("DataSource", level=level)
        for label, key in (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")):
            text.given(label, spec["dataSource"].get(key), level=level + 1)

"""A containerd of a test's own: its directories, socket, network and one image are made for it and go with it.

    with containerd(tmp_path) as runtime:
        channel = GrpcChannel(runtime.address)        # CRI v1; image IMAGE is there

Give `netns` to run it inside a network namespace, as one of several hosts on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

IMAGE = "docker.io/library/busybox:1.36"
"""The image that is there: a static busybox with links for its applets; runs a shell."""
PAUSE = "registry.k8s.io/pause:3.9"
CNI_BIN = Path("/usr/lib/cni")
NEEDED = ("containerd", "ctr", "runc", "ip", "nsenter")

_CONFIG = """\
version = 2
root = "{root}/root"
state = "{state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_bin}"
    conf_dir = "{root}/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


@dataclass(frozen=True, slots=True)
class Containerd:
    """One that runs. address: for a gRPC channel and `--container-runtime-endpoint`."""

    address: str
    root: Path
    prefix: Sequence[str]
    """What to put in front of a command to run it where containerd runs."""
    subnet: str
    """Of its pods' addresses."""

    def ctr(self, *arguments: str) -> str:
        """Run ctr in Kubernetes' namespace; its output. Raises CalledProcessError."""
        command = [*self.prefix, "ctr", "--address", self.address.removeprefix("unix://"), "-n", "k8s.io", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def missing() -> str:
    """Why containerd cannot be started here; "" when it can."""
    if os.geteuid() != 0:
        return "containerd needs root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install containerd runc iproute2)"
    if not (CNI_BIN / "bridge").exists():
        return "not installed: CNI plugins (apt-get install containernetworking-plugins)"
    if not _busybox():
        return "not installed: a static busybox (apt-get install busybox-static)"
    return ""


@contextlib.contextmanager
def containerd(directory: Path, *, netns: str = "", ready: float = 20.0) -> Iterator[Containerd]:
    """Start one below `directory` and stop it, with its containers and its bridge, at the end.

    netns: name of a network namespace. Its pods have a bridge and a subnet of their own, so several may run at once.
    ready: seconds it may take to answer. Raises TimeoutError with its log when it does not."""
    # Not `ip netns exec`: that mounts a /sys of its own, without the control groups that runc needs.
    prefix = ("nsenter", f"--net=/run/netns/{netns}") if netns else ()
    # Paths of sockets are short by law: 107 bytes.
    digest = hashlib.sha256(str(directory).encode()).digest()
    state, bridge = Path("/run") / f"pilot-{digest[:5].hex()}", f"plt{digest[:5].hex()}"
    subnet = f"10.{128 + digest[0] % 64}.{digest[1]}.0/24"
    root = directory / "containerd"
    root.mkdir(parents=True)
    state.mkdir()
    socket = state / "containerd.sock"
    config = root / "config.toml"
    config.write_text(
        _CONFIG.format(
            root=root, state=state, socket=socket, pause=PAUSE, cni_bin=CNI_BIN, snapshotter=_snapshotter(root)
        )
    )
    _write_network(root / "net.d", subnet, bridge)
    log = (root / "log").open("wb")
    process = subprocess.Popen(
        [*prefix, "containerd", "--config", str(config), "--log-level", "info"],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    runtime = Containerd(f"unix://{socket}", root, prefix, subnet)
    try:
        _wait(runtime, process, time.monotonic() + ready)
        archive = root / "images.tar"
        archive.write_bytes(image_archive())
        runtime.ctr("images", "import", "--snapshotter", _snapshotter(root), str(archive))
        yield runtime
    finally:
        _end(runtime, process, state, bridge)
        log.close()


def _wait(runtime: Containerd, process: subprocess.Popen[bytes], by: float) -> None:
    while True:
        with contextlib.suppress(subprocess.CalledProcessError):
            runtime.ctr("plugins", "ls", "id==cri")
            return
        if time.monotonic() > by or process.poll() is not None:
            raise TimeoutError(f"containerd does not answer:\n{(runtime.root / 'log').read_text()[-4000:]}")
        time.sleep(0.05)


def _end(runtime: Containerd, process: subprocess.Popen[bytes], state: Path, bridge: str) -> None:
    networks: set[str] = set()
    with contextlib.suppress(subprocess.CalledProcessError):
        networks = _networks(runtime)
        for task in runtime.ctr("tasks", "ls", "-q").split():
            with contextlib.suppress(subprocess.CalledProcessError):
                runtime.ctr("tasks", "rm", "--force", task)
        for container in runtime.ctr("containers", "ls", "-q").split():
            with contextlib.suppress(subprocess.CalledProcessError):
                runtime.ctr("containers", "rm", container)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _end_shims(runtime.address.removeprefix("unix://"))
    for mount in [*networks, *_mounts_below(str(state), str(runtime.root))]:
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    for network in networks:
        Path(network).unlink(missing_ok=True)
    subprocess.run([*runtime.prefix, "ip", "link", "delete", bridge], check=False, capture_output=True)
    shutil.rmtree(state, ignore_errors=True)


def _networks(runtime: Containerd) -> set[str]:
    """Paths of the network namespaces of sandboxes that nobody removed; their veth pairs go with them."""
    paths = set()
    for container in runtime.ctr("containers", "ls", "-q").split():
        spec = json.loads(runtime.ctr("containers", "info", container))["Spec"]
        for each in spec["linux"]["namespaces"]:
            if each["type"] == "network" and "/netns/cni-" in each.get("path", ""):
                paths.add(each["path"])
    return paths


def _end_shims(socket: str) -> None:
    """End shims that containerd left behind: they name its socket on their command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"containerd-shim" in words[0] and socket.encode() in words:
                    os.kill(int(entry.name), signal.SIGKILL)


def _mounts_below(*prefixes: str) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((each for each in points if each.startswith(prefixes)), reverse=True)


def _write_network(directory: Path, subnet: str, bridge: str) -> None:
    directory.mkdir()
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(directory / "ipam"),
    }
    plugins = [
        {"type": "bridge", "bridge": bridge, "isGateway": True, "hairpinMode": True, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    document = {"cniVersion": "0.4.0", "name": "pilot-test", "plugins": plugins}
    (directory / "10-test.conflist").write_text(json.dumps(document))


def _snapshotter(root: Path) -> str:
    """overlayfs where this file system can carry one, else copies."""
    lower, upper, work, merged = (root / f"probe-{name}" for name in ("lower", "upper", "work", "merged"))
    for path in (lower, upper, work, merged):
        path.mkdir(exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=False, capture_output=True
    )
    if mounted.returncode == 0:
        subprocess.run(["umount", str(merged)], check=False, capture_output=True)
    for path in (lower, upper, work, merged):
        shutil.rmtree(path, ignore_errors=True)
    return "overlayfs" if mounted.returncode == 0 else "native"


def _busybox() -> Path | None:
    for candidate in ("/bin/busybox", "/usr/bin/busybox"):
        if Path(candidate).exists():
            return Path(candidate)
    return None


def image_archive() -> bytes:
    """A tar as `docker save` writes it, of one layer under two names: IMAGE and PAUSE."""
    layer = _layer()
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "pilothouse tests"}],
    }
    encoded = json.dumps(config).encode()
    name = f"{hashlib.sha256(encoded).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [IMAGE, PAUSE], "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in ((name, encoded), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())):
            _add(archive, path, content, 0o644)
    return out.getvalue()


def _layer() -> bytes:
    binary = _busybox()
    assert binary is not None, "missing() is asked first"
    applets = subprocess.run([str(binary), "--list"], check=True, capture_output=True, text=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for directory in ("bin", "etc", "tmp", "dev", "proc", "sys"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            archive.addfile(entry)
        _add(archive, "bin/busybox", binary.read_bytes(), 0o755)
        _add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644)
        _add(archive, "etc/group", b"root:x:0:\nnobody:x:65534:\n", 0o644)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
    return out.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))

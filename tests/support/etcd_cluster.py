"""An etcd cluster of several members on loopback, whose members can be killed, frozen and started again."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

from machinery.rpc import RpcError, Stub
from machinery.rpc.grpc_channel import GrpcChannel
from protos.pool import messages
from tests.support.etcd import EtcdProcess, await_health, free_port

pb = messages("etcdserverpb")


class Member(EtcdProcess):
    """One member. Elections are short: a leader that is gone is followed within a second."""

    def __init__(self, directory: pathlib.Path, name: str) -> None:
        directory.mkdir()
        super().__init__(directory)
        self.name = name
        self.url = f"http://{self.address}"
        self.peer = f"http://127.0.0.1:{free_port()}"
        self.members: Sequence[Member] = ()

    def command(self) -> list[str]:
        given = super().command()
        changed = {
            "--listen-peer-urls": self.peer,
            "--initial-advertise-peer-urls": self.peer,
            "--initial-cluster": ",".join(f"{each.name}={each.peer}" for each in self.members),
            "--heartbeat-interval": "50",
            "--election-timeout": "500",
        }
        for flag, value in changed.items():
            given[given.index(flag) + 1] = value
        return [*given, "--name", self.name, "--grpc-keepalive-min-time", "500ms"]

    def signal(self, number: int) -> None:
        """SIGSTOP makes it take connections and say nothing, SIGCONT ends that."""
        assert self._process is not None
        self._process.send_signal(number)

    def _await(self, process: subprocess.Popen[str]) -> None:
        """It answers when a quorum runs: who starts it waits for the cluster."""


class EtcdCluster:
    """See the module. Its data lies in temporary files, in memory where the machine has such, and is removed."""

    def __init__(self, directory: pathlib.Path, size: int) -> None:
        self.members = [Member(directory / f"m{number}", f"m{number}") for number in range(size)]
        for member in self.members:
            member.members = self.members

    @property
    def urls(self) -> str:
        """As `--etcd-servers` takes them."""
        return ",".join(member.url for member in self.members)

    def start(self, *members: Member) -> None:
        """Start these, or all, and return when they know a leader."""
        for member in members or self.members:
            member.start()
        self.settle()

    async def leader(self) -> Member:
        """The member that leads. Fails when none does."""
        for member in self.members:
            if not member.running:
                continue
            channel = GrpcChannel(member.address)
            try:
                status = await Stub(channel, "etcdserverpb.Maintenance").Status(pb.StatusRequest(), timeout=2)
            except RpcError:
                continue
            finally:
                await channel.close()
            if status.leader == status.header.member_id:
                return member
        raise AssertionError("no member leads")

    def settle(self) -> None:
        """Return once every running member knows a leader and answers."""
        for member in self.members:
            if member.running:
                assert member._process is not None
                await_health(member.url, member._process)


@contextlib.contextmanager
def etcd_cluster(size: int = 3, *, start: bool = True) -> Iterator[EtcdCluster]:
    """A cluster for the time of the block, running from the beginning unless `start` is False."""
    memory = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    directory = pathlib.Path(tempfile.mkdtemp(prefix="etcd-cluster-", dir=memory))
    cluster = EtcdCluster(directory, size)
    try:
        if start:
            cluster.start()
        yield cluster
    finally:
        for member in cluster.members:
            with contextlib.suppress(ProcessLookupError, AssertionError):
                member.signal(signal.SIGCONT)
            member.kill()
        shutil.rmtree(directory, ignore_errors=True)

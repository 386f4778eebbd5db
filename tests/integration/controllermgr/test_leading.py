"""Two managers of one cluster: one leads, the other takes over."""

from __future__ import annotations

import asyncio

import pytest

from actors import ChildSpec, Supervisor, System, VirtualClock
from controllermgr.app import ControllerManager
from controllermgr.config import Config
from machinery.client.resources import DEPLOYMENTS, LEASES, PODS
from machinery.objects import meta, timefmt
from machinery.rpc import LocalChannel, Stub
from pilothouse.cluster import CONTROLLER_MANAGER, Cluster
from protos.pool import messages
from tests.support.workloads import NAMESPACE, workload

PB = messages("pilot.v1")


def manager(cluster: Cluster, name: str) -> ControllerManager:
    config = Config(leader_elect=True, identity=name, controllers=("deployment", "replicaset"))
    return ControllerManager(config, clock=cluster.clock, client=cluster.client(user=CONTROLLER_MANAGER, groups=()))


async def active(app: ControllerManager) -> list[str]:
    stub = Stub(LocalChannel(app.services()), "pilot.v1.Units")
    units = (await stub.ListUnits(PB.ListUnitsRequest())).units
    return [unit.name for unit in units if unit.active_state == "active"]


async def holder(cluster: Cluster) -> str:
    lease = await cluster.client().get(LEASES, "kube-controller-manager", namespace="kube-system")
    return str(lease["spec"]["holderIdentity"])


async def test_the_second_waits_and_takes_over_at_once_when_the_first_stops_in_order() -> None:
    clock = VirtualClock()
    async with Cluster(clock=clock, scheduler=False, agents=False, controllers=("serviceaccount",)) as cluster:
        first, second = manager(cluster, "first"), manager(cluster, "second")
        async with System(first.spec(), clock=clock) as running:
            await clock.settle()
            async with System(second.spec(), clock=clock):
                await clock.advance(seconds=60)
                assert (await active(first), await active(second)) == (["deployment", "replicaset"], [])
                assert await holder(cluster) == "first"
                await running.stop()
                await clock.advance(seconds=5)
                assert await active(second) == ["deployment", "replicaset"]
                assert await holder(cluster) == "second"
                client = cluster.client()
                await client.create(DEPLOYMENTS, workload("Deployment", replicas=2), namespace=NAMESPACE)
                await clock.settle()
                assert len((await client.list(PODS, namespace=NAMESPACE)).items) == 2


async def test_who_leads_works_when_its_units_do_and_who_waits_when_it_knows_the_leader() -> None:
    clock = VirtualClock()
    async with Cluster(clock=clock, scheduler=False, agents=False, controllers=("serviceaccount",)) as cluster:
        first, second, alone = manager(cluster, "first"), manager(cluster, "second"), manager(cluster, "alone")
        working = [asyncio.ensure_future(app.working()) for app in (first, second, alone)]
        async with System(first.spec(), clock=clock), System(second.spec(), clock=clock):
            await clock.advance(seconds=1)
            await clock.settle()
            # The third was never started: it asks no API.
            assert [task.done() for task in working] == [True, True, False]
            assert await active(first) == ["deployment", "replicaset"]
        working[2].cancel()


async def test_a_leader_that_cannot_renew_stops_before_another_begins() -> None:
    clock = VirtualClock()
    async with Cluster(clock=clock, scheduler=False, agents=False, controllers=("serviceaccount",)) as cluster:
        first = manager(cluster, "first")
        root = ChildSpec("root", lambda: Supervisor([first.spec()]))
        async with System(root, clock=clock):
            await clock.advance(seconds=5)
            assert await active(first) == ["deployment", "replicaset"]
            client = cluster.client()
            lease = await client.get(LEASES, "kube-controller-manager", namespace="kube-system")
            stolen = {**lease["spec"], "holderIdentity": "thief"}
            await client.update(LEASES, {**lease, "spec": stolen})
            await clock.advance(seconds=3)
            assert await active(first) == []
            await clock.advance(seconds=30)
            assert await active(first) == ["deployment", "replicaset"], "the thief did not renew"
            taken = await client.get(LEASES, "kube-controller-manager", namespace="kube-system")
            assert taken["spec"]["leaseTransitions"] == int(lease["spec"]["leaseTransitions"]) + 1
            assert meta.uid(taken) == meta.uid(lease)


@pytest.mark.parametrize(
    ("identity", "seconds"),
    [
        pytest.param("host-1", 0, id="the same name takes its own lease at once"),
        pytest.param("", 15, id="another waits"),
    ],
)
async def test_who_is_started_again_after_a_crash(identity: str, seconds: float) -> None:
    clock = VirtualClock()
    async with Cluster(clock=clock, scheduler=False, agents=False, controllers=("serviceaccount",)) as cluster:
        at = timefmt.format_micro(clock.now())
        left_behind = {
            "metadata": {"name": "kube-controller-manager", "namespace": "kube-system"},
            "spec": {"holderIdentity": "host-1", "leaseDurationSeconds": 15, "acquireTime": at, "renewTime": at},
        }
        await cluster.client().create(LEASES, left_behind)
        again = manager(cluster, identity)
        async with System(again.spec(), clock=clock):
            await clock.settle()
            if seconds:
                await clock.advance(seconds=seconds - 1)
                assert await active(again) == []
                assert await holder(cluster) == "host-1"
                # A try every two seconds, and up to as much again by chance.
                await clock.advance(seconds=6)
                assert await holder(cluster) not in ("", "host-1"), "one was made"
            assert await active(again) == ["deployment", "replicaset"]
            assert not identity or await holder(cluster) == identity

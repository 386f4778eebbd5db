"""The settings of a scheduler. Names follow KubeSchedulerConfiguration; durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from machinery.process.settings import setting


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set; the defaults are kube-scheduler's."""

    scheduler_name: str = setting("default-scheduler", help="Schedules the pods that name it in spec.schedulerName.")
    disabled_plugins: tuple[str, ...] = setting((), help="Plugins to leave out, by upstream's names.")
    pod_initial_backoff: float = setting(1.0, help="Wait before a pod's second attempt.", unit="s")
    pod_max_backoff: float = setting(10.0, help="The longest wait between two attempts.", unit="s")
    unschedulable_timeout: float = setting(
        300.0, help="After so long an unschedulable pod is tried again although nothing happened.", unit="s"
    )
    bindings: int = setting(64, help="Bindings under way at a time.")
    batch: int = setting(128, help="Pods placed before other work gets a turn.")
    leader_elect: bool = setting(False, help="Hold a Lease before scheduling: needed when several schedulers run.")
    leader_elect_lease_duration: float = setting(15.0, help="Wait before taking over a silent leader.", unit="s")
    leader_elect_renew_deadline: float = setting(10.0, help="How long a leader tries to renew.", unit="s")
    leader_elect_retry_period: float = setting(2.0, help="Time between tries for the Lease.", unit="s")
    identity: str = setting("", help="The holder's name in the Lease; empty makes one.")
    kubeconfig: str = setting("", help="How to reach the API server; empty uses KUBECONFIG.")
    log_level: str = setting("info", help="Level of the log, and NAME=LEVEL for parts of it.")

    def __post_init__(self) -> None:
        if self.bindings < 1 or self.batch < 1:
            raise ValueError("bindings and batch must be positive")
        if not 0 < self.pod_initial_backoff <= self.pod_max_backoff:
            raise ValueError("pod-initial-backoff must be positive and at most pod-max-backoff")

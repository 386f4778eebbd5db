"""What the agent writes on sandboxes and containers for the runtime to see: kubelet's names, and two of our own.

CRI does not tell a runtime a pod's restart policy or which of its containers are for initialization. Real runtimes need
neither; the fake one decides by them how long a container runs. So the agent says both in annotations, to every runtime
alike.
"""

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"

HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"

RESTART_POLICY = "io.pilothouse.pod.restart-policy"
"""On a sandbox: Always, OnFailure or Never."""
CONTAINER_KIND = "io.pilothouse.container.kind"
"""On a container: init, sidecar, app or ephemeral."""

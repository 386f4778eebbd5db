"""`create deployment`, `create job` and `create cronjob`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed
from cli.generators.generator import Generator, Object, new
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session

CRON_JOBS = GVR("batch", "v1", "cronjobs")


def _deployment(name: str, flags: Parsed) -> Object:
    images = flags["image"]
    if not images:
        raise UsageError('required flag(s) "image" not set')
    if flags.rest and len(images) > 1:
        raise UsageError("cannot specify multiple --image options and command")
    containers = [{"name": _container_name(image), "image": image} for image in images]
    if flags.rest:
        containers[0]["command"] = flags.rest
    if flags["port"]:
        containers[0]["ports"] = [{"containerPort": flags["port"]}]
    labels = {"app": name}
    made = new("apps/v1", "Deployment", name)
    made["metadata"]["labels"] = labels
    made["spec"] = {
        "replicas": flags["replicas"],
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    return made


def _container_name(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0].partition("@")[0].replace("_", "-").lower()


async def _template_of(session: Session, flags: Parsed) -> None:
    """Put the CronJob of --from beside the flags. Raises CliError, NotFound."""
    if not flags["from"]:
        return
    kind, slash, name = flags["from"].partition("/")
    resource = (await session.mapper()).find(kind)
    if not slash or not name:
        raise UsageError("the --from value must be TYPE/NAME, cronjob/NAME say")
    if resource.gvr != CRON_JOBS:
        raise CliError(f"from must be an existing cronjob: unknown object type {resource.kind}")
    flags.values["cronjob"] = await (await session.client()).get(CRON_JOBS, name, namespace=session.namespace)


def _job(name: str, flags: Parsed) -> Object:
    if not flags["from"]:
        return new("batch/v1", "Job", name, spec={"template": _run_once(name, flags, "Never")})
    if flags["image"] or flags.rest:
        raise UsageError("either --image or --from must be specified" if flags["image"] else
                         "cannot specify --from and command")  # fmt: skip
    owner: Object = flags["cronjob"]
    template = owner["spec"]["jobTemplate"]
    about = template.get("metadata") or {}
    made = new("batch/v1", "Job", name, spec=template["spec"])
    made["metadata"] |= {
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual", **(about.get("annotations") or {})},
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ],
    }
    if about.get("labels"):
        made["metadata"]["labels"] = about["labels"]
    return made


def _cron_job(name: str, flags: Parsed) -> Object:
    if not flags["schedule"]:
        raise UsageError('required flag(s) "schedule" not set')
    template = {"metadata": {"name": name}, "spec": {"template": _run_once(name, flags, flags["restart"])}}
    return new("batch/v1", "CronJob", name, spec={"schedule": flags["schedule"], "jobTemplate": template})


def _run_once(name: str, flags: Parsed, restart: str) -> Object:
    if not flags["image"]:
        raise UsageError("either --image or --from must be specified")
    container: Object = {"name": name, "image": flags["image"]}
    if flags.rest:
        container["command"] = flags.rest
    return {"spec": {"containers": [container], "restartPolicy": restart or "OnFailure"}}


_IMAGE = Flag("image", "Image name to run.")

GENERATORS = {
    "deployment": Generator(
        GVR("apps", "v1", "deployments"), "deployment NAME --image=image -- [COMMAND] [args...]",
        "Create a deployment", "deployment", _deployment,
        (
            Flag("image", "Image names to run.", kind=Kind.LIST, default=[]),
            Flag("replicas", "Number of replicas to create.", short="r", kind=Kind.INT, default=1),
            Flag("port", "The containerPort that this deployment exposes.", kind=Kind.INT, default=0),
        ),
        aliases=("deploy",), passes_on=True,
    ),
    "job": Generator(
        GVR("batch", "v1", "jobs"), "job NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
        "Create a job", "job", _job,
        (_IMAGE, Flag("from", "The name of the resource to create a Job from (only cronjob is supported).")),
        prepare=_template_of, passes_on=True,
    ),
    "cronjob": Generator(
        CRON_JOBS, "cronjob NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND]",
        "Create a cron job", "cronjob", _cron_job,
        (_IMAGE, Flag("schedule", "A schedule in the Cron format."), Flag("restart", "Restart policy of the job.")),
        aliases=("cj",), passes_on=True,
    ),
}  # fmt: skip

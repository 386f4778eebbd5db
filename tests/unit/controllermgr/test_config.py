"""Which loops the flag selects, what the registry holds, and what drop-ins may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import VirtualClock
from controllermgr import dropin
from controllermgr.app import check
from controllermgr.config import Config, selects
from controllermgr.errors import BadConfig, BadDropIn
from controllermgr.flags import Flags
from controllermgr.journal import Journal
from controllermgr.registry import CONTROLLERS, DuplicateController, collect
from controllermgr.unit import Limits, check_order
from machinery.controller.spec import ControllerSpec
from machinery.process import settings

JOB = CONTROLLERS["job"]


def off(name: str) -> ControllerSpec:
    return ControllerSpec(name, make=JOB.make, enabled=False, aliases=("other",))


@pytest.mark.parametrize(
    ("patterns", "spec", "runs"),
    [
        pytest.param(("*",), JOB, True, id="all"),
        pytest.param(("*", "-job"), JOB, False, id="but this one"),
        pytest.param(("-job", "*"), JOB, False, id="in any order"),
        pytest.param(("*", "-job-controller"), JOB, False, id="by upstream's name"),
        pytest.param(("deployment",), JOB, False, id="only another"),
        pytest.param(("deployment", "job"), JOB, True, id="by name"),
        pytest.param(("*",), off("extra"), False, id="off by default"),
        pytest.param(("*", "extra"), off("extra"), True, id="off by default, named"),
        pytest.param(("*", "other-controller"), off("extra"), True, id="by alias"),
    ],
)
def test_the_flag_selects(patterns: tuple[str, ...], spec: ControllerSpec, runs: bool) -> None:
    assert selects(patterns, spec) is runs


def test_a_name_that_is_no_controllers_is_refused() -> None:
    with pytest.raises(BadConfig, match="'nonsense' is not in the list of known controllers"):
        check(Config(controllers=("*", "-nonsense")))


def test_the_registry_is_sound() -> None:
    specs = collect()
    assert {"deployment", "replicaset", "endpoints", "endpointslice", "namespace", "nodelifecycle"} <= set(specs)
    check_order({name: spec.after for name, spec in specs.items()})
    names = [name for spec in specs.values() for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names)), "no alias is another's name"
    assert all(spec.description for spec in specs.values())


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(DuplicateController, match="'job'"):
        collect([JOB])


def test_settings_of_units_come_from_the_fields_and_from_settings() -> None:
    config = Config(node_monitor_grace_period=7.0, settings={"podgc": {"x": 1}, "mine": {"y": 2}})
    found = config.unit_settings()
    assert found["nodelifecycle"]["nodeMonitorGracePeriod"] == 7.0
    assert found["podgc"] == {"terminatedPodGCThreshold": 12500, "x": 1}
    assert found["mine"] == {"y": 2}
    assert set(found) - {"mine"} <= set(CONTROLLERS)


def test_flags_become_a_config(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("PEM")
    flags = settings.load(
        Flags,
        ["--controllers=*,-job", f"--root-ca-file={ca}", "--node-monitor-grace-period=40s", "--leader-elect=false"],
        environ={},
    )
    config = flags.config()
    assert config.identity == "", "one is made"
    assert config.controllers == ("*", "-job")
    assert (config.root_ca, config.node_monitor_grace_period, config.leader_elect) == ("PEM", 40.0, False)
    ca.unlink()
    with pytest.raises(BadConfig, match="--root-ca-file: cannot read"):
        flags.config()


def test_the_identity_is_read_from_the_configuration_file_that_init_writes(tmp_path: Path) -> None:
    file = tmp_path / "controllermgr.yaml"
    file.write_text("leader-elect: true\nidentity: kubernetes_10.0.0.1\n")
    config = settings.load(Flags, [f"--config={file}"], environ={}).config()
    assert (config.leader_elect, config.identity) == (True, "kubernetes_10.0.0.1")


def test_drop_ins_are_merged_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "job.d"
    folder.mkdir()
    (folder / "20.yaml").write_text("startLimitBurst: 2\nwatchdogSec: 1m\nafter: [namespace]\nenabled: true\n")
    (folder / "10.yaml").write_text("startLimitBurst: 9\nrestartSec: 0.5\n")
    (folder / "notes.txt").write_text("not read")
    found = dropin.load(tmp_path, "job")
    assert found.enabled is True
    assert found.limits() == Limits(start_limit_burst=2, restart=0.5)
    spec = found.spec(JOB)
    assert (spec.watchdog, spec.after) == (60.0, (*JOB.after, "namespace"))
    assert dropin.load(tmp_path, "other").enabled is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("worker: 3", "unknown key 'worker'", id="unknown key"),
        pytest.param("[1, 2]", "expected a mapping", id="no mapping"),
        pytest.param("a: [", "while parsing", id="no YAML"),
        pytest.param("restartSec: soon", "invalid duration", id="no duration"),
        pytest.param("restartMaxDelaySec: [1]", "job.d", id="no number"),
    ],
)
def test_bad_drop_ins_name_their_file(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "job.d").mkdir()
    (tmp_path / "job.d" / "x.yaml").write_text(text)
    with pytest.raises(BadDropIn, match=why):
        dropin.load(tmp_path, "job")


def test_a_journal_keeps_the_newest_lines() -> None:
    journal = Journal(VirtualClock(), kept=3)
    for number in range(5):
        journal.write("INFO", str(number))
    assert [entry.message for entry in journal.read()] == ["2", "3", "4"]
    assert [entry.message for entry in journal.read(2)] == ["3", "4"]

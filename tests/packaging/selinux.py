"""Debian's policy for SELinux without the project's module and with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.packaging import builds
from tests.packaging.container import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.packaging.container import Container

# What the lab's guests need to run programs in a confined domain; also dlm_controld's, which Debian's policy has not.
LAB = Path(__file__).with_name("fence_pr_ioctl_lab.te")
STATE = "fence_pr_ioctl_state_t"
REMEMBERED = ("/run/fence_pr_ioctl", "/var/lib/fence_pr_ioctl")
WITHOUT, WITH = "policy.without", "policy.with"
# Rules are checked against what the policy says must never be allowed.
INSTALL = """\
sed -i 's/.*expand-check.*/expand-check=1/' /etc/selinux/semanage.conf
semodule -n -s default -i "$1" && cp /etc/selinux/default/policy/policy.* "$2"
"""
# What sesearch does, many times in one go.
SEARCH = """\
import json, setools, sys
policy = setools.SELinuxPolicy(sys.argv[1])
def always(rule):
    try:
        rule.conditional
    except setools.exception.RuleNotConditional:
        return True
def allows(source, target, kind, permission):
    what = {"source": source, "target": target, "tclass": [kind], "perms": [permission]}
    return any(always(rule) for rule in setools.TERuleQuery(policy, ruletype=["allow"], **what).results())
print(json.dumps([asked for asked in json.loads(sys.argv[2]) if not allows(*asked)]))
"""


def make_policies(machine: Container) -> None:
    """Compile WITHOUT and WITH into the machine's shared folder; raises CommandFailed."""
    project = machine.exchange / "project"
    builds.copy(project)
    shutil.copy(LAB, machine.exchange / LAB.name)
    name = LAB.stem
    machine.run(["checkmodule", "-M", "-m", "-o", f"{name}.mod", LAB.name], cwd=EXCHANGE)
    machine.run(["semodule_package", "-o", f"{name}.pp", "-m", f"{name}.mod"], cwd=EXCHANGE)
    machine.run(["make", "-s", "selinux"], cwd=f"{EXCHANGE}/project")
    for module, policy in ((f"{name}.pp", WITHOUT), ("project/selinux/fence_pr_ioctl.pp", WITH)):
        machine.run(["sh", "-ec", INSTALL, "install", f"{EXCHANGE}/{module}", f"{EXCHANGE}/{policy}"])


def not_allowed(machine: Container, policy: str, asked: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Which of these a policy does not allow, whatever booleans say: domain, type of the object, class, permission."""
    said = machine.run(["python3", "-c", SEARCH, f"{EXCHANGE}/{policy}", json.dumps(asked)]).stdout
    return [tuple(it) for it in json.loads(said)]

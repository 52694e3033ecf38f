"""Generate a trail by a plan: the same seed and plan give the same trail."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tools.trailgen import bridges, machines, oddities, people
from tools.trailgen.director import Director
from tools.trailgen.ids import Ids
from tools.trailgen.organization import Shape, found
from tools.trailgen.stage import Stage
from tools.trailgen.trail import Delivering, finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.trailgen.plan import Plan
    from tools.trailgen.trail import Trail

SCENES: dict[str, Callable[[Director, int], None]] = {
    "long_term_key": people.long_term_key,
    "session_token": people.session_token,
    "federation_token": people.federation_token,
    "console": people.console,
    "console_root": people.console_root,
    "console_failed": people.console_failed,
    "console_switch": people.console_switch,
    "console_switch_twice": people.console_switch_twice,
    "cloudshell": people.cloudshell,
    "aws_login": people.aws_login,
    "saml": people.saml,
    "saml_console": people.saml_console,
    "identity_center": people.identity_center,
    "identity_center_console": people.identity_center_console,
    "forward": people.forward,
    "role_chain": machines.role_chain,
    "self_assume": machines.self_assume,
    "github": machines.github,
    "service_account": machines.service_account,
    "instance": machines.instance,
    "function": machines.function,
    "task": machines.task,
    "pod": machines.pod,
    "config_recorder": machines.config_recorder,
    "service": machines.service,
    "sign_in_token": bridges.sign_in_token,
    "agent": bridges.agent,
    "certificate": bridges.certificate,
    "app_user": bridges.app_user,
    "assume_root": oddities.assume_root_of_member,
    "new_identities": oddities.new_identities,
    "stolen_key": oddities.stolen_key,
    "refused": oddities.refused,
    "recycled_key": oddities.recycled_key,
    "twice_in_a_second": oddities.twice_in_a_second,
    "partner": oddities.partner,
}

_REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2")


def generate(seed: int, plan: Plan) -> Trail:
    """Act scene after scene until there are enough records."""
    rng = random.Random(seed)
    ids = Ids(rng)
    stage = Stage(rng, found(_shape(plan), ids), ids)
    director = Director(stage, plan)
    names, weights = tuple(plan.shares), tuple(plan.shares.values())
    while len(stage.acted) < plan.events:
        (name,) = rng.choices(names, weights)
        SCENES[name](director, director.moment())
    organization_id = stage.organization.id if plan.organization_trail else None
    return finish(stage, Delivering(organization_id, plan.every, plan.largest))


def _shape(plan: Plan) -> Shape:
    return Shape(
        accounts=tuple(f"account-{number}" for number in range(plan.accounts)),
        people=tuple(f"person-{number}@example.com" for number in range(plan.people)),
        machines=tuple(f"machine-{number}" for number in range(plan.machines)),
        roles=tuple(f"Role{number}" for number in range(plan.roles)),
        regions=_REGIONS[: plan.regions],
    )

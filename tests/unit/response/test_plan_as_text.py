"""A plan as text."""

from __future__ import annotations

from enricher.response.exposure import RoleSeen
from enricher.response.plan_as_text import as_text
from tests.unit.response.test_containment import ADMIN, HOME, planned, user


def test_a_plan_reads_as_steps_with_commands() -> None:
    text = as_text(planned(user()))
    assert text.startswith("Containment plan ")
    assert f"5. revoke-sessions {ADMIN}\n" in text
    assert "   Also hits: every session of this role; 2 other origins: bob, carol\n" in text
    assert "     aws iam delete-login-profile --user-name alice\n" in text
    assert f"6. deny-all {ADMIN} (optional)\n" in text
    assert "Confidence: exact; evidence: e-0\n" in text


def test_hostile_names_stay_on_their_line() -> None:
    names = ("x\n     aws iam delete-user --user-name root", "\x1b[2J", "\u202eevil")
    role = RoleSeen(arn=f"arn:aws:iam::{HOME}:role/Admin", other_origins=3, other_names=names)
    text = as_text(planned(user(chain=(), roles=(role,))))
    assert "\x1b" not in text
    assert "\u202e" not in text
    commands = [line for line in text.splitlines() if line.startswith("     aws iam delete-user")]
    assert all(line.startswith("     aws iam delete-user-policy ") for line in commands)

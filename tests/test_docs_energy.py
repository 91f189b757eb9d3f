"""docs/energy.md, whose rules are those that reports show."""

from pathlib import Path

import pytest

from snnpd.energy.rule_texts import NUMBERED, OF_ROLES, RULES, rules_table

TEXT = (Path(__file__).parents[1] / "docs" / "energy.md").read_text(encoding="utf-8")


def test_the_rules_stand_in_the_documentation_as_they_are() -> None:
    assert rules_table() in TEXT


@pytest.mark.parametrize("role", OF_ROLES)
def test_every_role_tells_its_rules(role: str) -> None:
    for number in OF_ROLES[role].split():
        assert NUMBERED[number].computed.replace("`", "") in RULES[f"role:{role}"]

"""Every rule about what a configuration means, applied to one that could be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.rules import addresses, definitions
from engine.config.rules.rule import IndexedConfig

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.config.finding import Findings
    from engine.config.model import Config
    from engine.config.positions import Key, Positions
    from engine.config.rules.rule import Rule

RULES: tuple[Rule, ...] = (*addresses.RULES, *definitions.RULES)
"""Every rule; each yields its problems of the whole configuration."""


def apply_rules(
    config: Config,
    findings: Findings,
    positions: Positions,
    *,
    broken: Collection[Key] = (),
    host_interfaces: Collection[str] | None = None,
) -> None:
    """Apply every rule and record its problems in `findings`, each at the place of what it is about.

    `broken` are items that have an error already. `host_interfaces` are the names of this host's interfaces; None
    where the configuration is for another host. Time is linear in servers, targets and their references. It stops when
    `findings` is full, since half a million references may be wrong.
    """
    indexed = IndexedConfig.of(config, positions, broken, host_interfaces)
    for rule in RULES:
        for problem in rule(indexed):
            if findings.full:
                return
            report = findings.error if problem.severity == "error" else findings.warning
            report(problem.code, positions.nearest(problem.key), problem.message, problem.hint)

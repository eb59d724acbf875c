"""Roles, what each may do, and where. Data and pure functions; the services ask on every action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from enforcement.errors import NotAllowed


class Role(StrEnum):
    VIEWER = "viewer"
    ANALYST = "analyst"  # 研判
    OFFICER = "officer"  # 执法
    LEAD = "lead"  # 负责人
    ADMIN = "admin"  # accounts; sees no clues (三员分立)
    AUDITOR = "auditor"


class Right(StrEnum):
    READ = "read"
    DISPOSE = "dispose"  # dismiss, watch, open a case
    REOPEN = "reopen"
    READ_AUDIT = "read_audit"
    MANAGE_PEOPLE = "manage_people"


RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Right.READ}),
        Role.ANALYST: frozenset({Right.READ, Right.DISPOSE}),
        Role.OFFICER: frozenset({Right.READ, Right.DISPOSE}),
        Role.LEAD: frozenset({Right.READ, Right.DISPOSE, Right.REOPEN, Right.READ_AUDIT}),
        Role.ADMIN: frozenset({Right.MANAGE_PEOPLE}),
        Role.AUDITOR: frozenset({Right.READ, Right.READ_AUDIT}),
    }
)

#: The scope of a person who sees every region. A scope without entries sees nothing.
EVERYWHERE = "*"


@dataclass(frozen=True)
class Actor:
    """A signed-in person. `regions` are prefixes of region codes, or EVERYWHERE."""

    login: str
    name: str
    roles: tuple[Role, ...]
    regions: tuple[str, ...]

    def may(self, right: Right) -> bool:
        return any(right in RIGHTS[role] for role in self.roles)

    def role_for(self, right: Right) -> Role:
        """The role under which the person uses a right. Raises NotAllowed."""
        for role in self.roles:
            if right in RIGHTS[role]:
                return role
        raise NotAllowed(f"{self.login} has no role that may {right}; ask an administrator")

    @property
    def region_patterns(self) -> list[str]:
        """LIKE patterns of the region codes in scope (codes are digits, so nothing needs escaping)."""
        return ["%" if region == EVERYWHERE else f"{region}%" for region in self.regions]

"""Accounts: argon2 passwords, lock-out, sign-in; each step leaves an audit event."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from enforcement.errors import Locked, NotAllowed, SignInRefused, WrongPerson
from enforcement.rights import EVERYWHERE, Actor, Right, Role
from storage import audit, people
from storage.connection import Connection

FAILURES_BEFORE_LOCK = 5
LOCK_MINUTES = 15
SHORTEST_PASSWORD = 8

#: Acts of the product itself: opening clues, making the first accounts.
SYSTEM = Actor("system", "明察", (), (EVERYWHERE,))


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    # checked when the login is unknown, so that the answer takes as long as for a known one
    return _hasher().hash(secrets.token_hex(16))


def add_person(
    connection: Connection,
    login: str,
    name: str,
    password: str,
    roles: Sequence[Role],
    regions: Sequence[str],
    *,
    by: Actor,
    now: datetime,
) -> None:
    """Make an account. Raises WrongPerson (login taken, short password, no role, no region), NotAllowed."""
    role = "system" if by is SYSTEM else by.role_for(Right.MANAGE_PEOPLE)
    if not login.strip():
        raise WrongPerson("a person needs a login")
    if len(password) < SHORTEST_PASSWORD:
        raise WrongPerson(f"the password needs at least {SHORTEST_PASSWORD} characters")
    if not roles:
        raise WrongPerson(f"give at least one role of {', '.join(Role)}")
    if not regions:
        raise WrongPerson("give the region codes the person sees, or * for all")
    with connection.transaction():
        made = people.add_person(
            connection, login, name, _hasher().hash(password), [str(r) for r in roles], list(regions)
        )
        if not made:
            raise WrongPerson(f"login {login!r} is taken")
        audit.append(
            connection, at=now, actor=by.login, role=role, action="person.added", subject=f"person:{login}",
            detail={"name": name, "roles": [str(r) for r in roles], "regions": list(regions)},
        )  # fmt: skip


def sign_in(connection: Connection, login: str, password: str, now: datetime) -> Actor:
    """Check a password. Raises SignInRefused, or Locked after five failures for fifteen minutes.

    A refusal is written down too, so it must not roll the transaction back: refusals are raised after it.
    """
    refusal: SignInRefused | None = None
    actor: Actor | None = None
    with connection.transaction():
        row = people.person(connection, login, lock=True)
        if row is not None and row.locked_until is not None and row.locked_until > now:
            refusal = Locked(
                f"{login} is locked until {row.locked_until:%H:%M} UTC; wait or ask an administrator"
            )
        elif not _matches(row.password_hash if row else _nobody(), password) or row is None or not row.active:
            refusal = SignInRefused("login or password is wrong")
            if row is not None:
                failures = row.failures + 1
                locks = failures >= FAILURES_BEFORE_LOCK
                until = now + timedelta(minutes=LOCK_MINUTES) if locks else None
                people.set_failures(connection, login, 0 if locks else failures, until)
                _note(connection, login, "person.locked" if locks else "person.sign_in_failed", now)
        else:
            people.set_failures(connection, login, 0, None)
            _note(connection, login, "person.signed_in", now)
            actor = _actor(row)
    if actor is None:
        raise refusal or SignInRefused("login or password is wrong")
    return actor


def current(connection: Connection, login: str) -> Actor:
    """The person as the database knows them now. Raises NotAllowed when the account is gone or inactive."""
    row = people.person(connection, login)
    if row is None or not row.active:
        raise NotAllowed(f"the account {login} is not active")
    return _actor(row)


@dataclass(frozen=True)
class DemoPerson:
    login: str
    password: str
    name: str
    role: Role


#: Accounts of the demo; their passwords are printed by it and open nothing else.
DEMO_PEOPLE = (
    DemoPerson("analyst", "mingcha-demo", "分析员", Role.ANALYST),
    DemoPerson("lead", "mingcha-demo", "科长", Role.LEAD),
    DemoPerson("viewer", "mingcha-demo", "访客", Role.VIEWER),
)


def create_demo_people(connection: Connection, now: datetime) -> tuple[DemoPerson, ...]:
    """Make the demo's accounts where they are missing; safe to call again."""
    for person in DEMO_PEOPLE:
        if people.person(connection, person.login) is None:
            add_person(
                connection, person.login, person.name, person.password, (person.role,), (EVERYWHERE,),
                by=SYSTEM, now=now,
            )  # fmt: skip
    return DEMO_PEOPLE


def _actor(row: people.PersonRow) -> Actor:
    return Actor(row.login, row.name, tuple(Role(r) for r in row.roles), tuple(row.regions))


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password)
    except VerificationError:
        return False


def _note(connection: Connection, login: str, action: str, now: datetime) -> None:
    audit.append(
        connection, at=now, actor=login, role="", action=action, subject=f"person:{login}", detail={}
    )

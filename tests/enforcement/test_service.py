"""What people do to clues, on a real database: rights, locks, the audit chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from domain.findings import Family
from domain.registry import SiteId
from enforcement import people, service
from enforcement.errors import ClueChanged, Locked, NoSuchClue, NotAllowed, SignInRefused, WrongMove
from enforcement.people import DEMO_PEOPLE, SYSTEM, add_person, sign_in
from enforcement.rights import EVERYWHERE, Actor, Role
from enforcement.states import Action, State
from storage import audit
from storage.connection import Connection, connect
from storage.findings import begin_run, load_findings, save_findings, withdraw_missing
from tests.ui import city

NOW = datetime(2026, 8, 21, 2, 0, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    city.register(database, NOW)
    with connect(database, application_name="mingcha tests", autocommit=True) as opened:
        yield opened


@pytest.fixture
def analyst(connection: Connection) -> Actor:
    return sign_in(connection, "analyst", DEMO_PEOPLE[0].password, NOW)


def test_clues_are_opened_once_however_often_it_is_asked(connection: Connection, analyst: Actor) -> None:
    before = service.queue(connection, analyst)
    assert service.open_clues(connection, NOW) == service.Opened(0, 0, 0, 0)
    assert service.queue(connection, analyst) == before
    assert [row.grade for row in before] == ["B", "B", "C", "A"]
    assert {row.findings for row in before} == {1, 2}


def test_the_queue_is_filtered_by_grade_family_region_and_words(
    connection: Connection, analyst: Actor
) -> None:
    def sites(**filters: object) -> set[str]:
        return {r.site_id for r in service.queue(connection, analyst, service.Filters(**filters))}  # type: ignore[arg-type]

    assert sites(grades=("B",)) == {"S1", "S2"}
    assert sites(families=("compliance",)) == {"S3"}
    assert sites(regions=("421003",)) == {"S2"}
    assert sites(search="荆江") == {"S1"}
    assert sites(search=city.PLANTS[2].mn) == {"S3"}
    assert sites(search="%") == set()


def test_a_dismissal_is_stored_with_who_when_and_why(connection: Connection, analyst: Actor) -> None:
    clue = service.queue(connection, analyst)[0]
    state = service.dispose(
        connection, analyst, clue.clue_id, clue.version, Action.DISMISS,
        reason="equipment_repair", comment="电话核实", now=NOW,
    )  # fmt: skip
    assert state is State.DISMISSED
    (decision,) = service.history(connection, analyst)
    assert (decision.actor, decision.role, decision.at) == ("analyst", "analyst", NOW)
    assert decision.detail["reason"] == "equipment_repair"
    assert decision.detail["comment"] == "电话核实"
    assert audit.verify(connection) is None


def test_whoever_read_an_older_version_is_refused(connection: Connection, analyst: Actor) -> None:
    clue = service.queue(connection, analyst)[0]
    service.dispose(connection, analyst, clue.clue_id, clue.version, Action.WATCH, now=NOW)
    with pytest.raises(ClueChanged):
        service.dispose(connection, analyst, clue.clue_id, clue.version, Action.OPEN_CASE, now=NOW)
    assert len(service.history(connection, analyst)) == 1


def test_an_act_is_undone_for_a_minute_by_its_author_only(connection: Connection, analyst: Actor) -> None:
    lead = sign_in(connection, "lead", DEMO_PEOPLE[1].password, NOW)
    clue = service.queue(connection, analyst)[0]
    service.dispose(connection, analyst, clue.clue_id, clue.version, Action.OPEN_CASE, now=NOW)
    with pytest.raises(WrongMove, match="nothing to undo"):
        service.undo(connection, lead, clue.clue_id, NOW)
    with pytest.raises(WrongMove, match="nothing to undo"):
        service.undo(connection, analyst, clue.clue_id, NOW + timedelta(seconds=61))
    assert service.undo(connection, analyst, clue.clue_id, NOW + timedelta(seconds=59)) is State.NEW
    with pytest.raises(WrongMove, match="nothing to undo"):
        service.undo(connection, analyst, clue.clue_id, NOW + timedelta(seconds=59))
    assert [d.action for d in service.history(connection, analyst)] == ["clue.undo", "clue.open_case"]


def test_a_viewer_reads_but_does_not_decide(connection: Connection) -> None:
    viewer = sign_in(connection, "viewer", DEMO_PEOPLE[2].password, NOW)
    clue = service.queue(connection, viewer)[0]
    with pytest.raises(NotAllowed):
        service.dispose(connection, viewer, clue.clue_id, clue.version, Action.WATCH, now=NOW)


def test_rights_are_read_again_at_every_act(connection: Connection, analyst: Actor) -> None:
    clue = service.queue(connection, analyst)[0]
    connection.execute("UPDATE person SET roles = '{viewer}' WHERE login = 'analyst'")
    with pytest.raises(NotAllowed):
        service.dispose(connection, analyst, clue.clue_id, clue.version, Action.WATCH, now=NOW)
    connection.execute("UPDATE person SET active = false WHERE login = 'analyst'")
    with pytest.raises(NotAllowed):
        service.queue(connection, analyst)


def test_an_administrator_of_accounts_sees_no_clues(connection: Connection) -> None:
    add_person(connection, "admin", "管理员", "long-enough", [Role.ADMIN], [EVERYWHERE], by=SYSTEM, now=NOW)
    with pytest.raises(NotAllowed):
        service.queue(connection, sign_in(connection, "admin", "long-enough", NOW))


def test_a_person_sees_and_decides_only_in_their_regions(connection: Connection, analyst: Actor) -> None:
    add_person(connection, "county", "县局", "long-enough", [Role.OFFICER], ["421003"], by=SYSTEM, now=NOW)
    officer = sign_in(connection, "county", "long-enough", NOW)
    assert {r.site_id for r in service.queue(connection, officer)} == {"S2"}
    foreign = next(r for r in service.queue(connection, analyst) if r.site_id == "S1")
    with pytest.raises(NoSuchClue):
        service.detail(connection, officer, foreign.clue_id)
    with pytest.raises(NoSuchClue):
        service.dispose(connection, officer, foreign.clue_id, foreign.version, Action.WATCH, now=NOW)


def test_a_clue_the_data_no_longer_shows_leaves_the_queue_and_comes_back_with_it(
    connection: Connection, analyst: Actor
) -> None:
    clue = next(r for r in service.queue(connection, analyst) if r.site_id == "S1")
    run = begin_run(connection, city.START, city.END, "batch")
    withdraw_missing(connection, run, [clue.rule], [SiteId("S1")])
    assert service.open_clues(connection, NOW).withdrawn == 1
    assert service.detail(connection, analyst, clue.clue_id).clue.state == State.WITHDRAWN
    connection.execute("UPDATE finding SET withdrawn_run = NULL")
    service.open_clues(connection, NOW)
    assert service.detail(connection, analyst, clue.clue_id).clue.state == State.NEW


def test_statistics_alone_wait_for_a_person_until_the_evidence_grows(
    connection: Connection, analyst: Actor
) -> None:
    known = {r.clue_id for r in service.queue(connection, analyst)}
    run = begin_run(connection, city.START, city.END, "batch")
    (lone,) = load_findings(connection, finding_ids=[_statistical(connection)])
    apart = replace(lone, start=lone.start - timedelta(days=60), end=lone.end - timedelta(days=60))
    save_findings(connection, run, [apart])
    assert service.open_clues(connection, NOW).weak == 1
    (weak,) = [r for r in service.queue(connection, analyst) if r.clue_id not in known]
    assert (weak.state, weak.grade) == (State.WEAK, "C")
    save_findings(connection, run, [replace(apart, rule="bypass.treatment_off", family=Family.BYPASS)])
    service.open_clues(connection, NOW)
    assert service.detail(connection, analyst, weak.clue_id).clue.state == State.NEW


def _statistical(connection: Connection) -> str:
    row = connection.execute("SELECT finding_id FROM finding WHERE grade = 'C' LIMIT 1").fetchone()
    assert row is not None
    return str(row[0])


def test_a_decision_stands_when_the_finding_behind_it_is_withdrawn(
    connection: Connection, analyst: Actor
) -> None:
    clue = next(r for r in service.queue(connection, analyst) if r.site_id == "S1")
    service.dispose(connection, analyst, clue.clue_id, clue.version, Action.OPEN_CASE, now=NOW)
    run = begin_run(connection, city.START, city.END, "batch")
    withdraw_missing(connection, run, [clue.rule], [SiteId("S1")])
    service.open_clues(connection, NOW)
    assert service.detail(connection, analyst, clue.clue_id).clue.state == State.CASE_OPEN


def test_five_wrong_passwords_lock_the_account_for_a_quarter_of_an_hour(connection: Connection) -> None:
    for _ in range(people.FAILURES_BEFORE_LOCK):
        with pytest.raises(SignInRefused):
            sign_in(connection, "analyst", "wrong", NOW)
    with pytest.raises(Locked):
        sign_in(connection, "analyst", DEMO_PEOPLE[0].password, NOW)
    later = NOW + timedelta(minutes=people.LOCK_MINUTES)
    assert sign_in(connection, "analyst", DEMO_PEOPLE[0].password, later).login == "analyst"


def test_an_unknown_login_is_refused_like_a_wrong_password(connection: Connection) -> None:
    with pytest.raises(SignInRefused, match="login or password is wrong"):
        sign_in(connection, "nobody", "whatever", NOW)


def test_a_changed_audit_row_is_found_and_named(database: str) -> None:
    with connect(database, application_name="mingcha tests", autocommit=True) as connection:
        for number in range(1, 6):
            with connection.transaction():
                audit.append(
                    connection, at=NOW, actor="a", role="lead", action="clue.watch", subject=f"clue:{number}",
                    detail={"n": number, "说明": "无"},
                )  # fmt: skip
        assert audit.verify(connection) is None
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute("UPDATE audit_event SET actor = 'b' WHERE seq = 3")
        connection.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only")
        connection.execute("UPDATE audit_event SET actor = 'b' WHERE seq = 3")
        assert audit.verify(connection) == 3
        connection.execute("UPDATE audit_event SET actor = 'a' WHERE seq = 3")
        connection.execute("DELETE FROM audit_event WHERE seq = 4")
        assert audit.verify(connection) == 4


def test_a_float_never_enters_the_chain(database: str) -> None:
    with connect(database, application_name="mingcha tests") as connection, pytest.raises(audit.AuditError):
        audit.append(
            connection, at=NOW, actor="a", role="", action="x", subject="y", detail={"p": 0.1},  # type: ignore[dict-item]
        )  # fmt: skip

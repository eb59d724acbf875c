"""What an officer does, in a real browser, in both languages (must-show 4 of the first issue)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from enforcement.people import DEMO_PEOPLE
from enforcement.rights import EVERYWHERE, Actor, Role
from enforcement.service import history
from storage.connection import connect
from tests.browser.conftest import Console

pytestmark = pytest.mark.browser

TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Said:
    """What the page is expected to say in one language."""

    code: str
    login: str
    password: str
    sign_in: str
    first: str
    sentence: str
    dismissed: str
    reason: str
    comment: str
    confirm: str
    undo: str
    history: str
    decision: str


ZH = Said(
    "zh", "账号", "密码", "登录", "从第一条开始", "疑似标停未停", "已排除",
    "设备检修", "说明", "确认排除", "撤销", "历史", "排除",
)  # fmt: skip
EN = Said(
    "en", "Account", "Password", "Sign in", "Start with the first", "suspected of running during a declared",
    "Dismissed", "Equipment repair", "Comment", "Dismiss", "Undo", "History", "Dismiss",
)  # fmt: skip


def _cell(page: Page, text: str) -> Locator:
    # tables are drawn on a canvas; their cells stand in it for screen readers, out of Playwright's roles
    return page.locator("[role=gridcell]").filter(has_text=text).first


@pytest.fixture
def page(chromium: Browser, console: Console) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    opened = context.new_page()
    outside: list[str] = []
    opened.on("request", lambda request: outside.append(request.url))
    yield opened
    foreign = [url for url in outside if not url.startswith((console.url, "data:", "blob:"))]
    context.close()
    assert not foreign, f"the console asked the outside world for {foreign[:3]}"


@pytest.mark.parametrize("said", [ZH, EN], ids=["zh", "en"])
def test_an_officer_dismisses_the_top_clue_and_finds_it_in_the_history(
    page: Page, console: Console, database: str, said: Said
) -> None:
    page.goto(f"{console.url}/?lang={said.code}")
    page.get_by_label(said.login).fill("analyst")
    page.get_by_label(said.password, exact=True).fill(DEMO_PEOPLE[0].password)
    page.get_by_test_id("stFormSubmitButton").get_by_role("button", name=said.sign_in).click()

    # the queue, most pressing first; the first opens
    expect(page.get_by_role("button", name=said.first)).to_be_visible()
    expect(_cell(page, said.sentence)).to_be_attached()
    page.get_by_role("button", name=said.first).click()

    # the evidence: one picture of all streams, the sentence, the rule
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    expect(page.locator(".mc-sentence")).to_contain_text(said.sentence)
    expect(page.locator(".mc-why").first).to_contain_text("fabrication.stopped_running")

    # dismissed with a reason, by keyboard
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(said.reason).click()
    dialog.get_by_label(said.comment).fill("电话核实，1#熔窑检修")
    dialog.get_by_label(said.comment).press("Tab")
    dialog.get_by_role("button", name=said.confirm).click()
    expect(page.locator(".mc-chip").first).to_have_text(said.dismissed)
    expect(page.get_by_role("button", name=said.undo)).to_be_visible()

    # and found again, with who and why
    page.get_by_test_id("stSidebarNav").get_by_text(said.history, exact=True).click()
    for text in ("分析员", said.decision, said.reason, "电话核实，1#熔窑检修"):
        expect(_cell(page, text)).to_be_attached()
    with connect(database, application_name="mingcha tests", autocommit=True) as connection:
        (decision,) = history(connection, Actor("analyst", "", (Role.ANALYST,), (EVERYWHERE,)))
    assert (decision.action, decision.actor) == ("clue.dismiss", "analyst")
    assert decision.detail["reason"] == "equipment_repair"


def test_a_reload_keeps_the_person_and_the_page_and_signing_out_forgets_both(
    page: Page, console: Console
) -> None:
    page.goto(console.url)
    page.get_by_label(ZH.login).fill("viewer")
    page.get_by_label(ZH.password, exact=True).fill(DEMO_PEOPLE[2].password)
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    page.get_by_role("button", name=ZH.first).click()
    expect(page.locator(".mc-sentence")).to_contain_text(ZH.sentence)
    page.reload()
    expect(page.locator(".mc-sentence")).to_contain_text(ZH.sentence)
    # a viewer has no dispositions
    expect(page.get_by_role("button", name=ZH.decision)).to_have_count(0)
    page.get_by_role("button", name="访客").click()
    page.get_by_role("button", name="退出登录").click()
    expect(page.get_by_label(ZH.login)).to_be_visible()
    page.reload()
    expect(page.get_by_label(ZH.login)).to_be_visible()

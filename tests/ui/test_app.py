"""The console as Streamlit runs it, without a browser: sign in, queue, refusals, languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from enforcement.people import DEMO_PEOPLE
from tests.ui import city
from ui.session import DATABASE_VARIABLE

ENTRY = Path(__file__).resolve().parents[2] / "ui" / "app.py"


@pytest.fixture
def app(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    city.register(database, datetime.now(UTC))
    monkeypatch.setenv(DATABASE_VARIABLE, database)
    st.cache_data.clear()
    yield AppTest.from_file(str(ENTRY), default_timeout=60)
    # pooled connections would keep the database from being dropped cleanly
    st.cache_resource.clear()


def _sign_in(app: AppTest, password: str) -> AppTest:
    app.run()
    app.text_input(key="login").set_value("analyst")
    app.text_input(key="password").set_value(password)
    return app.button[0].click().run()


def _texts(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def test_nothing_is_shown_before_somebody_signs_in(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert not app.dataframe
    assert [field.label for field in app.text_input] == ["账号", "密码"]


def test_a_wrong_password_is_refused_in_words(app: AppTest) -> None:
    _sign_in(app, "wrong")
    assert [e.value for e in app.error] == ["账号或密码不正确。"]
    assert not app.dataframe


def test_who_signs_in_sees_the_most_pressing_clue_first(app: AppTest) -> None:
    _sign_in(app, DEMO_PEOPLE[0].password)
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["grade"]) == ["B", "B", "C", "A"]
    assert table["site"].iloc[0] == "华岭玻璃股份有限公司"


def test_a_search_without_result_says_what_to_do(app: AppTest) -> None:
    _sign_in(app, DEMO_PEOPLE[0].password)
    app.text_input(key="q").set_value("没有这家").run()
    assert not app.dataframe
    assert "没有符合筛选条件的线索" in _texts(app)


def test_the_address_chooses_english(app: AppTest) -> None:
    app.query_params["lang"] = "en"
    app.run()
    assert [field.label for field in app.text_input] == ["Account", "Password"]

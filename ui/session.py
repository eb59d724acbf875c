"""Who is at the browser, in which language, and a connection to the database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, LifoQueue
from threading import Lock
from typing import cast

import psycopg
import streamlit as st

from domain.errors import MingchaError
from enforcement import people
from enforcement.errors import EnforcementError
from enforcement.rights import Actor
from storage.connection import Connection, connect
from ui.words import LANGUAGES, Language, Words, words

DATABASE_VARIABLE = "MINGCHA_DATABASE_URL"
COOKIE = "mingcha_session"
SESSION_HOURS = 12
IDLE_CONNECTIONS = 8


class ConsoleError(MingchaError):
    """The console cannot work as started; says what to set."""


@dataclass
class Pool:
    """Idle connections, newest first; a broken one is dropped."""

    url: str
    idle: LifoQueue[Connection] = field(default_factory=lambda: LifoQueue(IDLE_CONNECTIONS))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit: services open their own transactions."""
        try:
            connection = self.idle.get_nowait()
        except Empty:
            connection = self._new()
        if connection.closed or connection.broken:
            connection = self._new()
        try:
            yield connection
        except psycopg.Error:
            connection.close()
            raise
        finally:
            # refusals of a service come through here too, and leave the connection as good as before
            if connection.closed or self.idle.full():
                connection.close()
            else:
                self.idle.put(connection)

    def close(self) -> None:
        """Close what is idle; connections in use close when they come back to a full pool or break."""
        while not self.idle.empty():
            self.idle.get_nowait().close()

    def _new(self) -> Connection:
        return connect(self.url, application_name="mingcha console", autocommit=True)


@dataclass
class SignedIn:
    """Sessions of this process: random token -> login and end. They end with the process, on purpose."""

    sessions: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def begin(self, login: str, now: datetime) -> str:
        token = secrets.token_urlsafe(32)
        with self.lock:
            self.sessions = {t: s for t, s in self.sessions.items() if s[1] > now}
            self.sessions[token] = (login, now + timedelta(hours=SESSION_HOURS))
        return token

    def login_of(self, token: str, now: datetime) -> str | None:
        login, end = self.sessions.get(token, ("", now))
        return login if end > now else None

    def end(self, token: str) -> None:
        with self.lock:
            self.sessions.pop(token, None)


@st.cache_resource(on_release=Pool.close)
def _pool(url: str) -> Pool:
    return Pool(url)


@st.cache_resource
def _signed_in() -> SignedIn:
    return SignedIn()


@contextmanager
def database() -> Iterator[Connection]:
    """Raises ConsoleError without an address, DatabaseUnreachable without an answer."""
    url = os.environ.get(DATABASE_VARIABLE)
    if not url:
        raise ConsoleError(f"set {DATABASE_VARIABLE}, or start the console with `mingcha console`")
    with _pool(url).connection() as connection:
        yield connection


def now() -> datetime:
    return datetime.now(UTC)


def language() -> Language:
    chosen = st.session_state.get("lang") or st.query_params.get("lang")
    return cast(Language, chosen) if chosen in LANGUAGES else "zh"


def keep_language() -> None:
    """Write the chosen language into the address."""
    st.query_params["lang"] = language()


def texts() -> Words:
    return words(language())


def actor() -> Actor | None:
    """The person signed in here, by this session or by the cookie of an earlier one."""
    known = st.session_state.get("actor")
    if isinstance(known, Actor):
        return known
    token = st.context.cookies.get(COOKIE)
    login = _signed_in().login_of(token, now()) if token and not st.session_state.get("left") else None
    if login is None:
        return None
    try:
        with database() as connection:
            person = people.current(connection, login)
    except EnforcementError:
        return None
    st.session_state["actor"], st.session_state["token"] = person, token
    return person


def require_actor() -> Actor:
    """The person; pages are only run when somebody is signed in."""
    person = actor()
    if person is None:
        st.rerun()
    return person


def sign_in(login: str, password: str) -> None:
    """Raises SignInRefused. The token reaches the browser by `hand_over_token`."""
    with database() as connection:
        person = people.sign_in(connection, login, password, now())
    st.session_state["actor"] = person
    st.session_state["token"] = _signed_in().begin(person.login, now())
    st.session_state["left"] = False


def sign_out() -> None:
    token = st.session_state.pop("token", None)
    if token:
        _signed_in().end(token)
    st.session_state.pop("actor", None)
    # the cookie of this connection is still the old one until the page is loaded again
    st.session_state["left"] = True


def hand_over_token() -> None:
    """Put the session token into a cookie, so that a reload does not sign the person out."""
    token = st.session_state.get("token")
    if not token or st.context.cookies.get(COOKIE) == token:
        return
    st.html(
        f'<script>document.cookie="{COOKIE}={token};path=/;max-age={SESSION_HOURS * 3600};SameSite=Strict"'
        ' + (location.protocol === "https:" ? ";Secure" : "")</script>',
        unsafe_allow_javascript=True,
    )

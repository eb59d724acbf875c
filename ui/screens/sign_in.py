"""The way in."""

from __future__ import annotations

import html

import streamlit as st

from enforcement.errors import EnforcementError
from ui import parts, session, theme


def show() -> None:
    words = session.texts()
    with st.container(key="sign_in"):
        mark = (theme.ASSETS / "mark.svg").read_text(encoding="utf-8").replace("<svg ", '<svg width="40" ', 1)
        st.html(
            f'<div class="mc-brand">{mark}<span>{html.escape(words("app.name"))}'
            f" <small>{html.escape(words('app.purpose'))}</small></span></div>"
        )
        parts.language_switch(words)
        with st.form("sign_in_form", border=True):
            login = st.text_input(words("sign_in.login"), key="login", autocomplete="username")
            password = st.text_input(
                words("sign_in.password"), key="password", type="password", autocomplete="current-password"
            )
            sent = st.form_submit_button(words("sign_in.submit"), type="primary", width="stretch")
        if sent:
            try:
                session.sign_in(login.strip(), password)
            except EnforcementError as error:
                parts.refusal(error, words)
            else:
                st.rerun()
        parts.note(words("sign_in.note"))

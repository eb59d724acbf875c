"""The way in."""

from __future__ import annotations

import html
from base64 import b64encode

import streamlit as st

from enforcement.errors import EnforcementError
from ui import parts, session, theme


def show() -> None:
    words = session.texts()
    with st.container(key="sign_in"):
        mark = b64encode((theme.ASSETS / "mark.svg").read_bytes()).decode()
        st.html(
            f'<div class="mc-brand"><img width="40" alt="" src="data:image/svg+xml;base64,{mark}">'
            f"<span>{html.escape(words('app.name'))}"
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

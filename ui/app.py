"""Entry of the console: `streamlit run ui/app.py`, started by `mingcha console`."""

from __future__ import annotations

import streamlit as st

from enforcement.errors import EnforcementError
from storage.errors import DatabaseUnreachable
from ui import parts, session, theme
from ui.navigation import pages
from ui.pages import sign_in


def main() -> None:
    words = session.texts()
    st.set_page_config(
        page_title=f"{words('app.name')} · {words('app.purpose')}",
        page_icon=str(theme.ASSETS / "mark.svg"),
        layout="wide",
        initial_sidebar_state="expanded",
    )
    theme.apply()
    try:
        person = session.actor()
        if person is None:
            # one hidden page: otherwise Streamlit would list the files of ui/pages
            st.navigation([st.Page(sign_in.show, url_path="sign-in", default=True)], position="hidden").run()
            return
        session.hand_over_token()
        st.logo(theme.ASSETS / "brand.svg", size="large")
        page = st.navigation(list(pages(words).values()), position="sidebar")
        parts.top_bar(page.title, person, words)
        page.run()
    except DatabaseUnreachable:
        parts.empty(words("error.database"), words("error.database_next"))
    except EnforcementError as error:
        parts.refusal(error, words)


main()

"""Entry of the console: `streamlit run ui/app.py`, started by `mingcha console`."""

from __future__ import annotations

import streamlit as st

from enforcement.errors import EnforcementError
from storage.errors import DatabaseUnreachable
from ui import parts, session, theme
from ui.navigation import pages
from ui.screens import sign_in


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
        # the same pages before and after: a link opened by somebody signed out leads there in the end
        page = st.navigation(list(pages(words).values()), position="sidebar" if person else "hidden")
        if person is None:
            sign_in.show()
            return
        session.hand_over_token()
        st.logo(theme.ASSETS / "brand.svg", size="large")
        parts.top_bar(page.title, person, words)
        page.run()
    except DatabaseUnreachable:
        parts.empty(words("error.database"), words("error.database_next"))
    except EnforcementError as error:
        parts.refusal(error, words)


main()

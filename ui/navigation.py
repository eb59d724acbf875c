"""The pages of the console, by name; the left rail shows them in this order.

They live in ui/screens: a folder called `pages` beside the entry would be served by Streamlit on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import streamlit as st

from ui.words import Words

EVIDENCE = "evidence"


def pages(words: Words) -> dict[str, st.Page]:
    """Built anew on each run, because titles follow the language."""
    return {
        "queue": st.Page(
            _page("queue"), title=words("nav.queue"), icon=":material/inbox:", url_path="queue", default=True
        ),
        "capture": st.Page(
            _page("capture"), title=words("nav.capture"), icon=":material/grid_on:", url_path="capture"
        ),
        "sites": st.Page(
            _page("sites"), title=words("nav.sites"), icon=":material/factory:", url_path="sites"
        ),
        "history": st.Page(
            _page("history"), title=words("nav.history"), icon=":material/history:", url_path="history"
        ),
        EVIDENCE: st.Page(
            _page(EVIDENCE), title=words("nav.evidence"), url_path=EVIDENCE, visibility="hidden"
        ),
    }


def open_evidence(clue_id: int, words: Words) -> NoReturn:
    """Leave the page for the evidence of a clue."""
    st.switch_page(pages(words)[EVIDENCE], query_params={"clue": str(clue_id), "lang": words.language})


def _page(name: str) -> Callable[[], None]:
    def run() -> None:
        # late: a page opens others, so it imports this module
        import importlib

        importlib.import_module(f"ui.screens.{name}").show()

    run.__name__ = name
    return run

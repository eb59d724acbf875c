"""证据: one clue, every stream of its site on one time axis, and why."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl
import streamlit as st

from domain.clock import floor_hour
from enforcement import evidence, service
from enforcement.evidence import Streams
from enforcement.rights import Actor
from enforcement.service import ClueDetail
from storage.clues import FindingRow
from storage.console_reads import FrameRow, OutletRow
from ui import disposition, parts, session, shown, theme
from ui import why as why_html
from ui.charts.lanes import BRUSH, Copied, Span, from_browser, lanes
from ui.navigation import open_evidence, pages
from ui.words import Words


def show() -> None:
    person, words = session.require_actor(), session.texts()
    clue_id = st.query_params.get("clue", "")
    if not clue_id.isdigit():
        parts.empty(words("evidence.choose_clue"), words("evidence.choose_clue_next"))
        return
    with session.database() as connection:
        detail = service.detail(connection, person, int(clue_id))
        outlets = evidence.outlets(connection, person, detail.clue.site_id)
    outlet = _heading(detail, outlets, words)
    disposition.bar(detail, person, words)
    if outlet is None:
        parts.empty(words("evidence.no_data"), words("evidence.no_data_next"))
        return
    lead = detail.findings[0]
    start, end = _span(detail)
    with session.database() as connection:
        streams = evidence.streams(connection, person, detail.clue.site_id, outlet.outlet_id, start, end)
    copied = _copied(person, detail.findings)
    chart_column, why_column = st.columns([7, 3.2], gap="small")
    with chart_column:
        _chart(detail, streams, copied, words)
        _behind(person, detail, streams, outlet, words)
    with why_column:
        st.html(why_html.why(lead, words))
        if len(detail.findings) > 1:
            st.html(why_html.others(detail.findings[1:], words))
        st.html(why_html.past(detail, words))


def numbers_of(streams: Streams, words: Words) -> pl.DataFrame:
    """The readings as a table: a row per interval, a column per factor with its unit."""
    if streams.readings.is_empty():
        return pl.DataFrame()
    table: pl.DataFrame | None = None
    for (code,), rows in streams.readings.group_by("factor", maintain_order=True):
        name, unit = shown.factor_name(str(code), words), shown.factor_unit(str(code))
        columns = {f"{name} {unit}".strip(): "avg"}
        if rows["converted_avg"].null_count() < rows.height:
            columns[f"{name} {words('lane.converted')} {unit}".strip()] = "converted_avg"
        part = rows.select("time", **{title: pl.col(source) for title, source in columns.items()})
        table = part if table is None else table.join(part, on="time", how="full", coalesce=True)
    assert table is not None
    local = pl.col("time").dt.convert_time_zone("Asia/Shanghai").dt.strftime("%Y-%m-%d %H:%M")
    return table.sort("time").select(local.alias(words("evidence.col_time")), pl.exclude("time"))


def frames_of(frames: Sequence[FrameRow], words: Words) -> pl.DataFrame:
    """Raw frames as a table: receive time, CRC verdict, SHA-256, the bytes as text."""
    return pl.DataFrame(
        {
            words("evidence.col_time"): [shown.full_moment(f.key_time) for f in frames],
            words("evidence.col_received"): [shown.full_moment(f.received_at) for f in frames],
            words("evidence.col_cn"): [str(f.cn) for f in frames],
            words("evidence.col_crc"): [words.term("crc", f"c{f.crc_kind}") for f in frames],
            words("evidence.col_problems"): [f.problems for f in frames],
            words("evidence.col_sha"): [f.sha256.hex() for f in frames],
            words("evidence.col_peer"): [f.peer for f in frames],
            words("evidence.col_raw"): [f.raw.decode("ascii", "backslashreplace") for f in frames],
        }
    )


def _heading(detail: ClueDetail, outlets: Sequence[OutletRow], words: Words) -> OutletRow | None:
    """Where we are, neighbours in the queue, the outlet to look at."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(words("app.back"), key="back", icon=":material/arrow_back:", type="tertiary"):
            st.switch_page(pages(words)["queue"], query_params={"lang": words.language})
        _neighbour(detail.clue.clue_id, -1, "K", words)
        _neighbour(detail.clue.clue_id, 1, "J", words)
        lead = detail.findings[0]
        chips = [words.term("state", detail.clue.state), *_families(detail.findings, words)]
        st.html(
            f'<span class="mc-title">{html.escape(detail.clue.site_name)}</span> '
            + "".join(f'<span class="mc-chip">{html.escape(chip)}</span>' for chip in chips),
            width="stretch",
        )
        if not outlets:
            return None
        names = {o.outlet_id: o.name or o.outlet_id for o in outlets}
        ids = list(names)
        chosen = st.selectbox(
            words("evidence.outlet"), ids, index=ids.index(lead.outlet_id) if lead.outlet_id in ids else 0,
            format_func=names.__getitem__, key=f"outlet_{detail.clue.clue_id}", label_visibility="collapsed",
            width=200,
        )  # fmt: skip
        return next(o for o in outlets if o.outlet_id == chosen)


def _neighbour(clue_id: int, step: int, key: str, words: Words) -> None:
    order: list[int] = st.session_state.get("order", [])
    place = order.index(clue_id) + step if clue_id in order else -1
    label = words("app.next") if step > 0 else words("app.previous")
    if st.button(label, key=f"neighbour_{key}", shortcut=key, disabled=not 0 <= place < len(order)):
        open_evidence(order[place], words)


def _span(detail: ClueDetail) -> tuple[datetime, datetime]:
    """What the chart shows: the brushed interval, else the whole episode with room on both sides."""
    zoomed = st.session_state.get(_zoom_key(detail))
    if zoomed is not None:
        return datetime.fromisoformat(zoomed[0]), datetime.fromisoformat(zoomed[1])
    return evidence.window_around(detail.clue.starts_at, detail.clue.ends_at)


def _chart(detail: ClueDetail, streams: Streams, copied: Copied | None, words: Words) -> None:
    zoomed = st.session_state.get(_zoom_key(detail))
    with st.container(horizontal=True, vertical_alignment="center"):
        colours = theme.palette()
        keys = [(colours.shade, words("evidence.flagged"))]
        if copied is not None:
            source = words("evidence.source", time=shown.moment(copied.start))
            keys.append((colours.source_shade, source))
        legend = "".join(
            f'<span class="mc-key" style="background:{colour};opacity:.55"></span>{html.escape(text)}'
            for colour, text in keys
        )
        hint = words("evidence.zoomed") if zoomed else words("evidence.brush")
        st.html(f'<div class="mc-note">{html.escape(hint)}{legend}</div>', width="stretch")
        if zoomed and st.button(words("evidence.reset"), key="reset", icon=":material/zoom_out_map:"):
            st.session_state.pop(_zoom_key(detail))
            st.rerun()
    flagged = [Span(f.starts_at, f.ends_at) for f in detail.findings]
    chart = lanes(streams, flagged, colours, words, copied=copied)
    if chart is None:
        parts.empty(words("evidence.no_data"), words("evidence.no_data_next"))
        return
    # a new key after each zoom: the brush of the old picture must not act on the new one
    with st.container(key="lanes"):
        event = st.altair_chart(
            chart, width="stretch", on_select="rerun", selection_mode=[BRUSH],
            key=f"lanes_{detail.clue.clue_id}_{streams.start.timestamp()}_{streams.end.timestamp()}",
        )  # fmt: skip
    brushed = _brushed(event)
    if brushed is not None:
        st.session_state[_zoom_key(detail)] = [time.isoformat() for time in brushed]
        st.rerun()


def _brushed(event: object) -> tuple[datetime, datetime] | None:
    """The interval a brush chose, None without one or when it is too short to mean anything."""
    selection = event.get("selection", {}) if isinstance(event, Mapping) else {}
    ends = selection.get(BRUSH, {}).get("t")
    if not ends or len(ends) != 2:
        return None
    start, end = sorted(from_browser(float(e)) for e in ends)
    if (end - start).total_seconds() < 600:
        return None
    # whole hours: hour data would leave its first and last interval half in the picture
    return floor_hour(start), floor_hour(end) + timedelta(hours=1)


def _copied(person: Actor, findings: Sequence[FindingRow]) -> Copied | None:
    """The source of the first replay among the findings, its values moved onto the flagged interval."""
    replay = next((f for f in findings if evidence.source_of(f) is not None), None)
    source = evidence.source_of(replay) if replay is not None else None
    if replay is None or source is None:
        return None
    with session.database() as connection:
        there = evidence.streams(
            connection, person, replay.site_id, source.outlet_id, source.start, source.end
        )
    values = there.readings.filter(pl.col("factor") == source.factor) if there.readings.height else None
    if values is None or values.is_empty():
        return None
    moved = values.select(pl.col("time") + (replay.starts_at - source.start), "avg")
    same_outlet = source.outlet_id == replay.outlet_id
    return Copied(source.factor, source.start, Span(source.start, source.end) if same_outlet else None, moved)


def _behind(person: Actor, detail: ClueDetail, streams: Streams, outlet: OutletRow, words: Words) -> None:
    """The numbers behind the picture and the frames behind the numbers."""
    numbers, frames = st.tabs([words("evidence.numbers"), words("evidence.frames")])
    with numbers:
        table = numbers_of(streams, words)
        if table.is_empty():
            parts.empty(words("evidence.no_data"), words("evidence.no_data_next"))
        else:
            interval = words.term("interval", streams.interval)
            _table(
                table, words("evidence.numbers_note", interval=interval, n=table.height), "readings", words
            )
    with frames, session.database() as connection:
        raw = evidence.frames(
            connection,
            person,
            detail.clue.site_id,
            outlet.outlet_id,
            detail.clue.starts_at,
            detail.clue.ends_at,
        )
        if not raw:
            parts.empty(words("evidence.no_frames"), words("evidence.no_frames_next"))
        else:
            _table(frames_of(raw, words), words("evidence.frames_note", n=len(raw)), "frames", words)


def _table(table: pl.DataFrame, note: str, name: str, words: Words) -> None:
    left, right = st.columns([5, 1.4], vertical_alignment="center")
    with left:
        parts.note(note)
    right.download_button(
        words("app.export"), shown.csv_bytes(table), file_name=f"mingcha-{name}.csv", mime="text/csv",
        icon=":material/download:", key=f"export_{name}", width="stretch", on_click="ignore",
    )  # fmt: skip
    st.dataframe(table, hide_index=True, height=260, key=f"table_{name}")


def _families(findings: Sequence[FindingRow], words: Words) -> list[str]:
    return [words.term("family", family) for family in sorted({f.family for f in findings})]


def _zoom_key(detail: ClueDetail) -> str:
    return f"zoom_{detail.clue.clue_id}"

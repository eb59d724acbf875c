"""Charts of the capture-rate drill-down: lost hours by cause, and day by day. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from domain.standards import Condition
from enforcement.board import Day
from ui.theme import Palette
from ui.words import Words


def causes(lost: Mapping[str, int], palette: Palette, words: Words) -> alt.LayerChart | alt.FacetChart:
    """Hours by cause, most first. `lost`: condition -> hours."""
    lost = dict(sorted(lost.items(), key=lambda item: (-item[1], item[0])))
    frame = pl.DataFrame(
        {
            "cause": [words.term("condition", c) for c in lost],
            "hours": list(lost.values()),
            "colour": [palette.conditions.get(c, palette.slate) for c in lost],
        },
        schema={"cause": pl.String, "hours": pl.Int64, "colour": pl.String},
    ).filter(pl.col("hours") > 0)
    base = alt.Chart(frame).encode(
        x=alt.X("hours:Q", axis=None),
        y=alt.Y(
            "cause:N",
            sort=[words.term("condition", c) for c in lost],
            axis=alt.Axis(title=None, labelLimit=160, ticks=False, domain=False),
        ),
    )
    bars = base.mark_bar(height=16).encode(color=alt.Color("colour:N", scale=None))
    text = base.mark_text(align="left", dx=4, color=palette.text).encode(
        text=alt.Text("label:N"), detail="hours:Q"
    )
    text = text.transform_calculate(label="datum.hours + ' h'")
    return alt.layer(bars, text).properties(height=max(1, frame.height) * 26)


def calendar(days: Sequence[Day], palette: Palette, words: Words) -> alt.LayerChart | alt.FacetChart:
    """One square a day, darker the more hours were lost; rows are weekdays, columns weeks."""
    frame = pl.DataFrame(
        {
            "week": [int(d.day.strftime("%G%V")) for d in days],
            "weekday": [d.day.isoweekday() for d in days],
            "label": [d.day.strftime("%m-%d") for d in days],
            "number": [d.day.day for d in days],
            "lost": [sum(d.lost.values()) for d in days],
            "why": [reasons_of(d, words) for d in days],
        },
        schema={
            "week": pl.Int64, "weekday": pl.Int64, "label": pl.String, "number": pl.Int64, "lost": pl.Int64,
            "why": pl.String,
        },
    )  # fmt: skip
    base = alt.Chart(frame).encode(
        x=alt.X("week:O", axis=None),
        y=alt.Y("weekday:O", axis=None),
        tooltip=[
            alt.Tooltip("label:N", title=words("capture.day")),
            alt.Tooltip("lost:Q", title=words("capture.lost")),
            alt.Tooltip("why:N", title=words("lane.kind")),
        ],
    )
    squares = base.mark_rect(cornerRadius=2, stroke=palette.grid, strokeWidth=1).encode(
        color=alt.Color(
            "lost:Q",
            scale=alt.Scale(
                domain=[0, 12, 24],
                range=[palette.grid, palette.lost, palette.conditions["unbelieved"]],
                clamp=True,
                interpolate="rgb",
            ),
            legend=None,
        )
    )
    numbers = base.mark_text(fontSize=10, color=palette.text).encode(text="number:Q")
    return alt.layer(squares, numbers).properties(height=7 * 24)


def reasons_of(day: Day, words: Words) -> str:
    """`故障 6 h、缺失 2 h`, most first; valid hours when nothing was lost."""
    lost = sorted(day.lost.items(), key=lambda item: (-item[1], item[0]))
    parts = [*lost] or [(Condition.VALID, day.valid)]
    return ", ".join(f"{words.term('condition', c)} {n} h" for c, n in parts)

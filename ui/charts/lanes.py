"""The evidence chart: lanes from cause to effect over one time axis. Pure: streams in, Altair chart out.

Times go to the browser as milliseconds shifted by +8 h and drawn on a UTC scale: every browser then reads
Asia/Shanghai, whatever its own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import altair as alt
import polars as pl

from domain.clock import from_microseconds, to_microseconds
from domain.standards import Condition, factors, mark_kinds
from enforcement.evidence import Streams
from ui import shown
from ui.charts.thinning import thin
from ui.theme import Palette
from ui.words import Words

#: Selection parameter of the brush, read back by the page.
BRUSH = "span"
_SHIFT_MS = 8 * 3_600_000
_LABEL_WIDTH = 108
_LANE, _POLLUTANT, _RIBBON = 44, 58, 16
#: A stretch of a ribbon this wide carries its name; a shorter one tells it on pointing.
_NAMED_SHARE = 0.07

#: Drawn first, in this order; other parameters of the outlet stay in the table of numbers.
_PARAMETERS = ("a00000", "a19001", "a01012")


@dataclass(frozen=True)
class Span:
    """An interval to shade through all lanes."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Copied:
    """A replay: the factor, when its source begins, that interval if it is of this outlet, its values.

    `values`: time (moved onto the flagged interval), avg.
    """

    factor: str
    start: datetime
    source: Span | None
    values: pl.DataFrame


def to_browser(time: datetime) -> float:
    """Milliseconds for the shifted axis."""
    return to_microseconds(time) / 1000 + _SHIFT_MS


def from_browser(milliseconds: float) -> datetime:
    """Aware UTC time of a point on the shifted axis."""
    return from_microseconds(round((milliseconds - _SHIFT_MS) * 1000))


def lanes(
    streams: Streams,
    flagged: Sequence[Span],
    palette: Palette,
    words: Words,
    *,
    copied: Copied | None = None,
) -> alt.VConcatChart | None:
    """All lanes that have data, or None when there is nothing to draw."""
    axis = _Axis(streams, union(flagged), copied, palette, words)
    drawn = [lane for lane in axis.all() if lane is not None]
    if not any(height > _RIBBON for height, _ in drawn):
        return None
    charts = [chart.properties(height=height, width=600) for height, chart in drawn]
    # named by hand: Altair's add_params on a concatenation warns of its own copies
    views = []
    for number, chart in enumerate(charts):
        first = chart.layer[0] if isinstance(chart, alt.LayerChart) else chart
        first.name = f"lane_{number}"
        views.append(first.name)
    brush = alt.TopLevelSelectionParameter(
        name=BRUSH, select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]), views=views
    )
    whole: alt.VConcatChart = (
        alt.vconcat(*charts, spacing=5)
        .properties(params=[brush])
        .configure_view(stroke=palette.grid)
        .configure_axis(
            labelFontSize=10, titleFontSize=11, titleFontWeight="normal", titleColor=palette.text,
            labelColor=palette.faint, gridColor=palette.grid, domainColor=palette.grid,
            tickColor=palette.grid,
        )
        .resolve_scale(x="shared", color="independent")
    )  # fmt: skip
    return whole


_Lane = tuple[int, alt.LayerChart | alt.FacetChart] | None


def union(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans that touch or overlap become one: shades laid over each other would hide the lines."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


@dataclass(frozen=True)
class _Axis:
    streams: Streams
    flagged: tuple[Span, ...]
    copied: Copied | None
    palette: Palette
    words: Words

    def all(self) -> Iterable[_Lane]:
        yield self.alerts()
        yield self.marks()
        for role, colour in (
            ("production", self.palette.ink),
            ("treatment", self.palette.teal),
            ("total", self.palette.slate),
        ):
            yield self.power(role, colour)
        for code in _PARAMETERS:
            yield self.factor(code, self.palette.slate, _LANE)
        present = set(self.streams.readings["factor"].unique()) if self.streams.readings.height else set()
        limited = {limit.factor for limit in self.streams.limits}
        pollutants = [str(c) for c, f in factors().items() if f.kind == "pollutant" and c in present]
        for code in sorted(pollutants, key=lambda c: (c not in limited, pollutants.index(c))):
            yield self.factor(code, self.palette.ink, _POLLUTANT)
        yield self.passages()
        yield self.quality()

    def x(self, *, axis: bool = False) -> alt.X:
        """The shared axis; only the lowest lane, the quality ribbon, writes times under it."""
        span = self.streams.end - self.streams.start
        domain = [to_browser(self.streams.start), to_browser(self.streams.end)]
        labels = alt.Axis(
            title=None, format="%m-%d %H:%M" if span < timedelta(days=12) else "%m-%d", labelOverlap=True,
            grid=False, tickCount=8,
        )  # fmt: skip
        return alt.X(
            "t:T", scale=alt.Scale(type="utc", domain=domain, nice=False), axis=labels if axis else None
        )

    def y(self, title: str, unit: str, *, numbers: bool = True) -> alt.Axis:
        return alt.Axis(
            title=[title, unit] if unit else title, titleAngle=0, titleAlign="left", titleAnchor="middle",
            titleX=-_LABEL_WIDTH, titleY=12, tickCount=3, minExtent=_LABEL_WIDTH, maxExtent=_LABEL_WIDTH,
            **({"format": "~s"} if numbers else {"ticks": False, "domain": False}),
        )  # fmt: skip

    def shades(self) -> list[alt.Chart]:
        """The flagged intervals, and lightly the one a replay was copied from, behind everything."""
        charts = []
        spans = [(self.flagged, self.palette.shade, 0.16)]
        if self.copied is not None and self.copied.source is not None:
            spans.append(((self.copied.source,), self.palette.source_shade, 0.16))
        for intervals, colour, opacity in spans:
            rows = [self._clipped(i) for i in intervals if self._visible(i)]
            if rows:
                frame = pl.DataFrame(rows, schema=["t", "t2"], orient="row")
                charts.append(
                    alt.Chart(frame).mark_rect(color=colour, opacity=opacity).encode(x=self.x(), x2="t2")
                )
        return charts

    def power(self, role: str, colour: str) -> _Lane:
        meters = {m.meter_id: m for m in self.streams.meters if m.role == role}
        rows = self.streams.power.filter(pl.col("meter_id").is_in(list(meters)))
        if rows.is_empty():
            return None
        parts = [
            self._points(part.select("time", value="kw")).with_columns(
                series=pl.lit(meters[str(meter_id)].line or str(meter_id))
            )
            for (meter_id,), part in rows.group_by("meter_id", maintain_order=True)
        ]
        base = alt.Chart(pl.concat(parts)).encode(
            x=self.x(),
            y=alt.Y(
                "value:Q", axis=self.y(self.words.term("lane", role), "kW"), scale=alt.Scale(domainMin=0)
            ),
            detail="series:N",
        )
        area = base.mark_area(color=colour, opacity=0.12, interpolate="step-after")
        line = base.mark_line(color=colour, strokeWidth=1.3, interpolate="step-after")
        return _LANE, alt.layer(*self.shades(), area, line, self._tips(base, "kW"))

    def factor(self, code: str, colour: str, height: int) -> _Lane:
        rows = (
            self.streams.readings.filter(pl.col("factor") == code) if self.streams.readings.height else None
        )
        if rows is None or rows["avg"].null_count() == rows.height:
            return None
        known = factors().get(code)  # type: ignore[call-overload]
        unit, limit = (
            shown.factor_unit(code),
            next((x for x in self.streams.limits if x.factor == code), None),
        )
        converted = bool(known and known.converted and rows["converted_avg"].null_count() < rows.height)
        replayed = self.copied is not None and self.copied.factor == code
        if replayed or (limit is not None and limit.basis == "measured"):
            # a replay repeats what was measured; its conversion moves with the O2 of the day
            converted = False
        points = self._points(rows.select("time", value="converted_avg" if converted else "avg"))
        title = shown.factor_name(code, self.words)
        label = f"{unit} {self.words('lane.converted' if converted else 'lane.measured')}"
        if known is None or not known.converted:
            label = unit
        base = alt.Chart(points).encode(
            x=self.x(),
            y=alt.Y("value:Q", axis=self.y(title, label), scale=alt.Scale(zero=height == _POLLUTANT)),
        )
        layers = [*self.shades(), base.mark_line(color=colour, strokeWidth=1.2)]
        if limit is not None and (limit.basis == "converted") == converted:
            frame = pl.DataFrame({"t": [to_browser(self.streams.end)], "value": [limit.limit_mg_m3]})
            rule = alt.Chart(frame).encode(y="value:Q")
            layers.append(rule.mark_rule(color=self.palette.red, strokeDash=[5, 3], strokeWidth=1))
            text = f"{self.words('lane.limit')} {limit.limit_mg_m3:g}"
            layers.append(
                rule.encode(x=self.x()).mark_text(
                    text=text,
                    align="right",
                    baseline="bottom",
                    dx=-4,
                    dy=-1,
                    fontSize=10,
                    color=self.palette.red,
                )
            )
        if self.copied is not None and replayed:
            seen = pl.col("time").is_between(self.streams.start, self.streams.end)
            values = self.copied.values.filter(seen).select("time", value="avg")
            twin = alt.Chart(self._points(values)).encode(x=self.x(), y="value:Q")
            layers.append(twin.mark_line(color=self.palette.source_shade, strokeDash=[3, 2], strokeWidth=1.6))
        layers.append(self._tips(base, unit))
        return height, alt.layer(*layers)

    def marks(self) -> _Lane:
        rows = []
        for mark in self.streams.marks:
            kind = mark_kinds().get(mark.kind)
            text = self.words.pick(kind.zh, kind.en) if kind else mark.kind
            condition = kind.plane if kind else Condition.UNKNOWN
            rows.append((*self._clipped(Span(mark.starts_at, mark.ends_at)), condition.value, text))
        return self._ribbon(rows, self.words("lane.marks")) if rows else None

    def alerts(self) -> _Lane:
        colours = {"yellow": "calibration", "orange": "fault", "red": "missing"}
        rows = [
            (
                *self._clipped(Span(a.starts_at, a.ends_at)),
                colours[a.level],
                self.words.term("alert", a.level),
            )
            for a in self.streams.alerts
        ]
        return self._ribbon(rows, self.words("lane.alerts")) if rows else None

    def quality(self) -> _Lane:
        rows = [
            (
                *self._clipped(Span(r.start, r.end)),
                r.condition.value,
                self.words.term("condition", r.condition),
            )
            for r in self.streams.quality
        ]
        return self._ribbon(rows, self.words("lane.quality"), axis=True)

    def passages(self) -> _Lane:
        if self.streams.passages.is_empty():
            return None
        frame = self.streams.passages.select(
            t=_browser_column("time"),
            direction=pl.col("direction").replace_strict(
                {"in": self.words("lane.in"), "out": self.words("lane.out")}, default=pl.col("direction")
            ),
            plate=pl.col("plate"),
        )
        ticks = (
            alt.Chart(frame)
            .mark_tick(color=self.palette.slate, thickness=1.2)
            .encode(
                x=self.x(),
                y=alt.Y("direction:N", axis=self.y(self.words("lane.passages"), "", numbers=False)),
                tooltip=[self._time_tip(), alt.Tooltip("plate:N"), alt.Tooltip("direction:N")],
            )
        )
        return 30, alt.layer(*self.shades(), ticks)

    def _ribbon(self, rows: list[tuple[float, float, str, str]], title: str, *, axis: bool = False) -> _Lane:
        frame = pl.DataFrame(
            rows, schema={"t": pl.Float64, "t2": pl.Float64, "condition": pl.String, "text": pl.String},
            orient="row",
        )  # fmt: skip
        names = list(self.palette.conditions)
        bars = (
            alt.Chart(frame.with_columns(row=pl.lit("")))
            .mark_rect()
            .encode(
                x=self.x(axis=axis),
                x2="t2",
                y=alt.Y("row:N", axis=self.y(title, "", numbers=False)),
                color=alt.Color(
                    "condition:N",
                    scale=alt.Scale(domain=names, range=[self.palette.conditions[n] for n in names]),
                    legend=None,
                ),
                tooltip=[
                    self._time_tip(),
                    alt.Tooltip("text:N", title=self.words("lane.kind")),
                ],
            )
        )
        least = (to_browser(self.streams.end) - to_browser(self.streams.start)) * _NAMED_SHARE
        named = frame.filter(pl.col("t2") - pl.col("t") >= least).with_columns(row=pl.lit(""))
        names_inside = (
            alt.Chart(named)
            .mark_text(align="left", dx=4, fontSize=10, color=self.palette.text)
            .encode(x=self.x(axis=axis), y=alt.Y("row:N"), text="text:N")
        )
        return _RIBBON, alt.layer(bars, names_inside, *self._outlines(axis=axis))

    def _outlines(self, *, axis: bool) -> list[alt.Chart]:
        # a shade over a coloured ribbon would change its meaning: only its edges go through
        edges = [e for i in self.flagged if self._visible(i) for e in self._clipped(i)]
        frame = pl.DataFrame({"t": edges}, schema={"t": pl.Float64})
        return (
            [alt.Chart(frame).mark_rule(color=self.palette.shade, strokeWidth=1).encode(x=self.x(axis=axis))]
            if edges
            else []
        )

    def _tips(self, base: alt.Chart, unit: str) -> alt.Chart:
        points: alt.Chart = base.mark_point(opacity=0, size=40).encode(
            tooltip=[self._time_tip(), alt.Tooltip("value:Q", title=unit or " ", format=",.4~g")]
        )
        return points

    def _time_tip(self) -> alt.Tooltip:
        return alt.Tooltip(
            "t:T", title=self.words("evidence.col_time"), format="%m-%d %H:%M", formatType="utc"
        )

    def _points(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Columns t, value from time, value, thinned."""
        kept = thin(frame["value"].fill_null(float("nan")).to_numpy())
        return frame[kept].select(t=_browser_column("time"), value=pl.col("value"))

    def _visible(self, span: Span) -> bool:
        return span.start < self.streams.end and self.streams.start < span.end

    def _clipped(self, span: Span) -> tuple[float, float]:
        return (
            to_browser(max(span.start, self.streams.start)),
            to_browser(min(span.end, self.streams.end)),
        )


def _browser_column(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("ms").cast(pl.Float64) + _SHIFT_MS

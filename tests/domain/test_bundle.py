"""The bundle contract of design.md §4, from files to typed tables and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from domain.bundle import Bundle, read_bundle, write_bundle
from domain.bundle_tables import TABLES, parse_times, typed_rows
from domain.clock import SHANGHAI
from domain.errors import BundleError
from domain.registry import AlertLevel, Basis, MeasureKind, MeterRole, Registry

OUTLETS = "outlet_id,site_id\nP1-1,P1\n"
READINGS = "outlet_id,time,interval,factor,avg,flag\nP1-1,2026-01-01 08:00,小时,02,12.5,N\n"


def bundle_of(directory: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (directory / f"{name}.csv").write_text(text, encoding="utf-8")
    return directory


def test_the_smallest_bundle_is_outlets_and_one_stream(tmp_path: Path) -> None:
    bundle = read_bundle(bundle_of(tmp_path, outlets=OUTLETS, readings=READINGS))
    assert [s.site_id for s in bundle.registry.sites] == ["P1"]
    assert bundle.readings is not None
    assert bundle.readings.row(0, named=True) == {
        "outlet_id": "P1-1", "time": datetime(2026, 1, 1, tzinfo=UTC), "interval": "hour",
        "factor": "a21026", "avg": 12.5, "min": None, "max": None, "converted_avg": None, "total": None,
        "flag": "N",
    }  # fmt: skip
    assert bundle.power is None
    assert bundle.passages is None


def test_chinese_and_english_words_mean_the_same(tmp_path: Path) -> None:
    read = read_bundle(
        bundle_of(
            tmp_path,
            outlets=OUTLETS,
            readings=READINGS,
            limits="outlet_id,factor,limit,basis,averaging\nP1-1,02,35,折算,小时\nP1-1,a21002,50,measured,day\n",
            meters="meter_id,site_id,role\nM1,P1,产污\nM2,P1,treatment\n",
            gates="gate_id,site_id\nG1,P1\n",
            passages="gate_id,time,direction,plate,stage,fuel,plate_color\n"
            "G1,2026-01-01T00:00,进,苏A12345,国六,柴油,黄牌\nG1,2026-01-01T01:00,out,苏A12345,6,diesel,yellow\n",
            marks="outlet_id,start,end,kind\nP1-1,2026-01-01,2026-01-02,启炉\n",
            alerts="region_code,level,start,end\n3205,黄色,2026-01-01,2026-01-03\n",
            measures="site_id,line,level,kind,limit_percent\nP1,1#,橙,限产,50\n",
        )
    )
    registry = read.registry
    assert [x.basis for x in registry.limits] == [Basis.CONVERTED, Basis.MEASURED]
    assert [x.factor for x in registry.limits] == ["a21026", "a21002"]
    assert [m.role for m in registry.meters] == [MeterRole.PRODUCTION, MeterRole.TREATMENT]
    assert registry.marks[0].kind == "starting"
    assert registry.marks[0].start == datetime(2026, 1, 1, tzinfo=SHANGHAI)
    assert registry.alerts[0].level is AlertLevel.YELLOW
    assert registry.measures[0].kind is MeasureKind.LIMIT
    assert read.passages is not None
    assert read.passages["stage"].to_list() == ["6", "6"]
    assert read.passages["fuel"].to_list() == ["diesel", "diesel"]
    assert read.passages["plate_color"].to_list() == ["yellow", "yellow"]
    assert read.passages["direction"].to_list() == ["in", "out"]


def test_order_extra_columns_mark_of_order_and_gb18030_do_not_matter(tmp_path: Path) -> None:
    bundle_of(
        tmp_path,
        readings="\ufeffflag,avg,factor,note,interval,time,outlet_id\nN,1,03,x,hour,2026-01-01,P1-1\n",
    )
    (tmp_path / "outlets.csv").write_bytes("site_id,Outlet_ID ,name\nP1,P1-1,一号排口\n".encode("gb18030"))
    bundle = read_bundle(tmp_path)
    assert bundle.registry.outlets[0].name == "一号排口"
    assert bundle.readings is not None
    assert bundle.readings.columns == list(TABLES["readings"].schema)


def test_parquet_times_with_and_without_a_zone_are_read(tmp_path: Path) -> None:
    bundle_of(tmp_path, outlets=OUTLETS)
    naive = pl.Series("time", [datetime(2026, 1, 1, 8)])
    for stamps in (naive, naive.dt.replace_time_zone("Asia/Shanghai"), naive.cast(pl.Datetime("ns"))):
        frame = pl.DataFrame({"outlet_id": ["P1-1"], "interval": ["hour"], "factor": ["a21026"], "avg": [1]})
        frame.with_columns(stamps).write_parquet(tmp_path / "readings.parquet")
        readings = read_bundle(tmp_path).readings
        assert readings is not None
        assert readings["time"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"readings": READINGS}, "has no outlets.csv"),
        ({"outlets": OUTLETS}, "needs one of readings, power or passages"),
        ({"outlets": "outlet_id\nP1-1\n", "readings": READINGS}, "outlets.csv: column site_id is missing"),
        ({"outlets": OUTLETS, "readings": READINGS + "P1-1,2026-13-01,hour,02,1,N\n"},
         "readings.csv line 3, column time: '2026-13-01' is not a time"),
        ({"outlets": OUTLETS, "readings": READINGS + "P1-1,2026-01-01,hour,02,1..5,N\n"},
         "readings.csv line 3, column avg: '1..5' is not a number"),
        ({"outlets": OUTLETS, "readings": READINGS + "P1-1,2026-01-01,week,02,1,N\n"},
         "readings.csv line 3, column interval: interval 'week' is not known"),
        ({"outlets": OUTLETS, "readings": READINGS + ",2026-01-01,hour,02,1,N\n"},
         "readings.csv line 3, column outlet_id: is empty"),
        ({"outlets": OUTLETS, "readings": READINGS + "P9,2026-01-01,hour,02,1,N\n"},
         "readings.csv line 3, column outlet_id: 'P9' is not in outlets"),
        ({"outlets": OUTLETS + "P1-1,P2\n", "readings": READINGS},
         "outlets.csv line 3, column outlet_id: P1-1 is there already"),
        ({"outlets": OUTLETS, "readings": READINGS,
          "alerts": "region_code,level,start,end\n3205,蓝,2026-01-01,2026-01-02\n"},
         "alerts.csv line 2, column level: level '蓝' is not known; known: yellow, orange, red"),
        ({"outlets": OUTLETS, "readings": ""}, "readings.csv is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_and_column(
    tmp_path: Path, tables: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BundleError, match=sentence.replace("(", r"\(")):
        read_bundle(bundle_of(tmp_path, **tables))


def test_two_files_for_one_table_are_refused(tmp_path: Path) -> None:
    bundle_of(tmp_path, outlets=OUTLETS, readings=READINGS)
    pl.DataFrame({"outlet_id": ["P1-1"]}).write_parquet(tmp_path / "readings.parquet")
    with pytest.raises(BundleError, match=r"readings.csv and readings.parquet"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_written_bundle_reads_back_equal(tmp_path: Path, form: Literal["csv", "parquet"]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    first = read_bundle(
        bundle_of(
            source,
            sites="site_id,name,lon\nP1,一厂,120.5\n",
            outlets="outlet_id,site_id,reference_o2,mn\nP1-1,P1,6,88888880000001\n",
            limits="outlet_id,factor,limit,valid_from\nP1-1,a21026,35,2026-01-01\n",
            meters="meter_id,site_id,role,outlet_id\nM1,P1,治污,P1-1\n",
            readings=READINGS + "P1-1,2026-01-01T00:00:00.000001Z,实时,private,0.1,\n",
            power="meter_id,time,kw\nM1,2026-01-01,0.30000000000000004\n",
        )
    )
    write_bundle(tmp_path / "copy", first, form)
    second = read_bundle(tmp_path / "copy")
    assert second.registry == first.registry
    for name, frame in first.streams().items():
        assert_frame_equal(second.streams()[name], frame)


def test_a_bundle_of_nothing_but_a_registry_writes_no_stream(tmp_path: Path) -> None:
    write_bundle(tmp_path, Bundle(Registry()))
    assert list(tmp_path.iterdir()) == []


@given(st.datetimes(datetime(1992, 1, 1), datetime(2100, 1, 1)))
def test_a_time_means_the_same_naive_with_zone_and_in_utc(naive: datetime) -> None:
    aware = naive.replace(tzinfo=SHANGHAI)
    spellings = [
        naive.isoformat(), naive.isoformat(" "), aware.isoformat(),
        aware.isoformat().replace("+08:00", "+0800"),
        aware.astimezone(UTC).isoformat().replace("+00:00", "Z"), naive.isoformat(" ").replace("-", "/"),
    ]  # fmt: skip
    assert parse_times(pl.Series(spellings)).to_list() == [aware.astimezone(UTC)] * len(spellings)


def test_every_bad_cell_is_reported_with_its_row() -> None:
    raw = pl.DataFrame(
        {"meter_id": ["M1", "M1", None], "time": ["2026-01-01", "x", "2026-01-01"], "kw": ["1", "y", "inf"]}
    )
    rows = typed_rows(raw, TABLES["power"])
    assert [(e.row, e.column) for e in rows.errors] == [(1, "time"), (1, "kw"), (2, "meter_id"), (2, "kw")]
    assert rows.frame["kw"].to_list() == [1.0, None, None]

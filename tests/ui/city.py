"""A small city in the database: plants, their streams, findings a detector would make, capture rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from domain.clock import SHANGHAI
from domain.findings import CaptureRate, Explanation, Family, Finding, Grade, Verdict
from domain.registry import FactorCode, OutletId, SiteId
from domain.standards import factors
from enforcement.people import create_demo_people
from enforcement.service import Opened, open_clues
from storage.connection import Connection, connect
from storage.findings import begin_run, save_capture_rates, save_findings

#: The story plays in August 2026.
START = datetime(2026, 7, 1, tzinfo=SHANGHAI).astimezone(UTC)
END = datetime(2026, 8, 20, tzinfo=SHANGHAI).astimezone(UTC)


def local(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


@dataclass(frozen=True)
class Plant:
    site_id: str
    name: str
    industry: str
    region: str
    outlet_id: str
    outlet: str
    mn: str
    so2: float
    load_kw: float


PLANTS = (
    Plant("S1", "荆江水泥有限公司", "水泥", "421002", "S1-2", "2#窑尾", "42100200000102", 22.0, 3_800.0),
    Plant("S2", "华岭玻璃股份有限公司", "玻璃", "421003", "S2-1", "1#熔窑", "42100300000201", 88.0, 1_450.0),
    Plant("S3", "东湖热电厂", "热电", "421002", "S3-3", "3#锅炉", "42100200000303", 17.0, 9_200.0),
)

#: (plant, first hour, last hour) of what each did.
IDLE_TREATMENT = (local(8, 14, 1), local(8, 14, 7))
MARKED_STOPPED = (local(8, 13, 20), local(8, 14, 7))
REPLAYED, REPLAY_SOURCE = (local(8, 12, 9), local(8, 13, 21)), (local(8, 2, 9), local(8, 3, 21))


def build(url: str, now: datetime) -> Opened:
    """Fill a migrated database and open the clues; ready for the console."""
    opened = register(url, now)
    with connect(url, application_name="mingcha tests", autocommit=True) as connection:
        for plant in PLANTS:
            _streams(connection, plant)
        _raw_frames(connection)
    return opened


def register(url: str, now: datetime) -> Opened:
    """Plants, people, findings and clues without the streams behind them."""
    with connect(url, application_name="mingcha tests", autocommit=True) as connection:
        for plant in PLANTS:
            _plant(connection, plant)
        run = begin_run(connection, START, END, "batch")
        _findings(connection, run)
        _rates(connection, run)
        connection.execute(
            "INSERT INTO mark (outlet_id, starts_at, ends_at, kind, entered_at) VALUES"
            " ('S2-1', %s, %s, 'stopped', %s), ('S1-2', %s, %s, 'calibration', %s)",
            [*MARKED_STOPPED, MARKED_STOPPED[1], local(8, 12, 9), local(8, 12, 11), local(8, 12, 9)],
        )
        connection.execute(
            "INSERT INTO alert (region_code, level, starts_at, ends_at) VALUES ('421002', 'orange', %s, %s)",
            [local(8, 13, 12), local(8, 15, 0)],
        )
        create_demo_people(connection, now)
        return open_clues(connection, now)


def _plant(connection: Connection, plant: Plant) -> None:
    connection.execute(
        "INSERT INTO site (site_id, name, industry, region_code, grade) VALUES (%s, %s, %s, %s, 'B')",
        [plant.site_id, plant.name, plant.industry, plant.region],
    )
    connection.execute(
        "INSERT INTO outlet (outlet_id, site_id, name, source_type, reference_o2_percent)"
        " VALUES (%s, %s, %s, 'cement_kiln', 10)",
        [plant.outlet_id, plant.site_id, plant.outlet],
    )
    connection.execute(
        "INSERT INTO device (mn, outlet_id, state) VALUES (%s, %s, 'active')", [plant.mn, plant.outlet_id]
    )
    for role in ("production", "treatment"):
        connection.execute(
            "INSERT INTO meter (meter_id, site_id, role, line, rated_kw, outlet_id)"
            " VALUES (%s, %s, %s, '1', %s, %s)",
            [f"{plant.site_id}-{role}", plant.site_id, role, plant.load_kw, plant.outlet_id],
        )
    connection.execute(
        "INSERT INTO gate (gate_id, site_id, name) VALUES (%s, %s, '东门')",
        [f"{plant.site_id}-g", plant.site_id],
    )
    for factor, limit in (
        ("a34013", 10),
        ("a21026", 2 * plant.so2 if plant.site_id == "S2" else 35),
        ("a21002", 50),
    ):
        connection.execute(
            "INSERT INTO outlet_limit (outlet_id, factor, limit_mg_m3) VALUES (%s, %s, %s)",
            [plant.outlet_id, factor, limit],
        )


def _streams(connection: Connection, plant: Plant) -> None:
    rng = np.random.default_rng(sum(map(ord, plant.site_id)))
    hours = int((END - START) / timedelta(hours=1))
    times = [START + timedelta(hours=i) for i in range(hours)]
    load = 0.85 + 0.08 * np.sin(np.arange(hours) / 24 * 2 * np.pi) + rng.normal(0, 0.02, hours)
    o2 = 9.4 + rng.normal(0, 0.35, hours)
    values = {
        "a34013": 4.2 * load + rng.normal(0, 0.4, hours),
        "a21026": plant.so2 * load + np.convolve(rng.normal(0, 3, hours + 4), np.ones(5) / 5, "valid"),
        "a21002": 36 * load + rng.normal(0, 2.2, hours),
        "a19001": o2,
        "a00000": 92 * load + rng.normal(0, 1.5, hours),
        "a01012": 96 + 9 * load + rng.normal(0, 1.1, hours),
    }
    production, treatment = plant.load_kw * load, 420 * (0.9 + rng.normal(0, 0.02, hours))
    flags = ["N"] * hours
    index = {time: i for i, time in enumerate(times)}
    if plant.site_id == "S1":
        treatment[index[IDLE_TREATMENT[0]] : index[IDLE_TREATMENT[1]]] = 21.0
        for i in range(index[local(8, 12, 9)], index[local(8, 12, 11)]):
            flags[i] = "C"
    if plant.site_id == "S2":
        for i in range(index[MARKED_STOPPED[0]], index[MARKED_STOPPED[1]]):
            flags[i] = "F"
        for day in range(5, 24):
            for i in range(index[local(7, day, 2)], index[local(7, day, 2)] + 11):
                flags[i] = "D" if day % 3 else "M"
    if plant.site_id == "S3":
        source = slice(index[REPLAY_SOURCE[0]], index[REPLAY_SOURCE[1]])
        values["a21026"][index[REPLAYED[0]] : index[REPLAYED[1]]] = values["a21026"][source]
    missing = set(range(index[local(8, 10, 3)], index[local(8, 10, 8)]))
    outlet_key = _one(connection, "SELECT outlet_key FROM outlet WHERE outlet_id = %s", [plant.outlet_id])
    with connection.cursor() as cursor, cursor.copy(
        "COPY reading (outlet_key, factor_key, interval_key, time, avg, converted_avg, flag) FROM STDIN"
    ) as copy:  # fmt: skip
        for code, series in values.items():
            factor = factors()[code]  # type: ignore[index]
            for i, time in enumerate(times):
                if i not in missing:
                    value = round(float(series[i]), factor.decimals)
                    converted = round(value * (21 - 10) / (21 - o2[i]), 2) if factor.converted else None
                    copy.write_row((outlet_key, factor.key, 2, time, value, converted, flags[i]))
    for role, kw in (("production", production), ("treatment", treatment)):
        meter_key = _one(
            connection, "SELECT meter_key FROM meter WHERE meter_id = %s", [f"{plant.site_id}-{role}"]
        )
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY power (meter_key, time, kw, kwh) FROM STDIN") as copy,
        ):
            for i, time in enumerate(times):
                for quarter in range(4):
                    copy.write_row(
                        (meter_key, time + timedelta(minutes=15 * quarter), float(kw[i]), kw[i] / 4)
                    )
    gate_key = _one(connection, "SELECT gate_key FROM gate WHERE gate_id = %s", [f"{plant.site_id}-g"])
    with connection.cursor() as cursor:
        for k in range(160):
            time = local(8, 5) + timedelta(minutes=120 * k + int(rng.integers(0, 50)))
            cursor.execute(
                "INSERT INTO passage (gate_key, time, direction, plate) VALUES (%s, %s, %s, %s)",
                [gate_key, time, "in" if k % 2 == 0 else "out", f"鄂D{10000 + int(rng.integers(0, 9999))}"],
            )


def _findings(connection: Connection, run: int) -> None:
    stop = Explanation("stop", "停产", "production stopped", Verdict.EXCLUDED)
    fault = Explanation("meter_fault", "电表或线路故障", "meter or line fault", Verdict.EXCLUDED)
    calibration = Explanation("calibration", "校准", "calibration", Verdict.UNKNOWN)
    steady = Explanation("coarse_instrument", "仪器分辨率粗", "coarse instrument", Verdict.SUPPORTED)
    idle = Finding(
        "bypass.treatment_off", 1, Family.BYPASS, Grade.B, SiteId("S1"), OutletId("S1-2"), "1", None,
        *IDLE_TREATMENT, 6.0, "hours of production without working treatment (h)",
        "2#窑尾在08-14 01:00至07:00期间产污设施平均功率3240千瓦(正常3250千瓦),而治污设施停运,"
        "平均功率21.0千瓦(正常378千瓦),历时6.0小时,疑似不正常运行治污设施。",
        "At 2#窑尾, from 08-14 01:00 to 07:00 (6.0 h) production drew 3240 kW (usually 3250) while treatment"
        " was off at 21.0 kW (usually 378); suspected improper operation of treatment.",
        evidence={"treatment_kw": 21.0}, explanations=(stop, fault, calibration),
        parameters={"off_minutes": 60.0, "off_share": 0.15}, legal_bases=("air_law_20", "air_law_99"),
    )  # fmt: skip
    stopped = Finding(
        "fabrication.stopped_running", 1, Family.FABRICATION, Grade.B, SiteId("S2"), OutletId("S2-1"),
        "S2-1", None, *MARKED_STOPPED, 11.0, "hours of running called stopped (h)",
        "1#熔窑08-13 20:00至08-14 07:00申报停运11小时,"
        "其间生产用电1230千瓦、烟气流量78立方米/秒,疑似标停未停。",
        "1#熔窑 was declared stopped for 11 h from 08-13 20:00 to 08-14 07:00, while production drew 1230 kW"
        " and 78 m³/s of gas flowed; suspected of running during a declared stop.",
        evidence={"mean_kw": 1230.0}, explanations=(stop, fault),
        parameters={"power_share": 0.5, "least_hours": 2.0}, legal_bases=("marker_rules_2022", "air_law_100"),
    )  # fmt: skip
    replay = Finding(
        "fabrication.replay", 1, Family.FABRICATION, Grade.C, SiteId("S3"), OutletId("S3-3"), "S3-3",
        "a21026", *REPLAYED, 36.0, "values repeated outside flat stretches",
        "3#锅炉二氧化硫08-12 09:00至08-13 21:00的36个有效数据与3#锅炉08-02 09:00起的数据逐点相同,"
        "历时36.0小时;"
        "按自身重复规律,这样的巧合预期只出现2.0e-14次,疑似历史数据重放。",
        "At 3#锅炉, 36 valid values of SO2 from 08-12 09:00 to 08-13 21:00 (36.0 h) equal those from 08-02"
        " 09:00; by the series' own habits 2.0e-14 such coincidences are expected, suspected replay.",
        p_value=2e-14, null_model="chance agreement of the same series at other lags: pairs x P1 x rho^(L-1)",
        evidence={
            "source_outlet": "S3-3", "source_start": REPLAY_SOURCE[0].isoformat(),
            "source_end": REPLAY_SOURCE[1].isoformat(),
        },
        explanations=(steady, calibration), parameters={"most_chance_repeats": 1e-4},
        legal_bases=("fabrication_measures_2015", "interpretation_2023_7"),
    )  # fmt: skip
    limit = Finding(
        "compliance.hour_limit", 1, Family.COMPLIANCE, Grade.A, SiteId("S3"), OutletId("S3-3"), "S3-3",
        "a21002", local(8, 12, 1), local(8, 12, 4), 1.16, "largest ratio of mean to limit",
        "3#锅炉氮氧化物小时值疑似超标3小时,最高58 mg/m³(限值50)。",
        "At 3#锅炉 NOx is suspected above the limit for 3 h, at most 58 mg/m³ (limit 50).",
        legal_bases=("air_law_99",),
    )  # fmt: skip
    rate = Finding(
        "capture_rate.low", 1, Family.CAPTURE_RATE, Grade.A, SiteId("S2"), OutletId("S2-1"), "S2-1", "a21026",
        START, END, 0.698, "best capture rate still possible",
        "1#熔窑二氧化硫2026Q3季度有效数据捕集率目前69.8%,低于75%:"
        "已过1200小时,其中停运11、有效838、无效351小时。",
        "1#熔窑 SO2, 2026Q3: the valid data capture rate stands at 69.8%, below 75%. Of 1200 hours so far 11"
        " were stopped, 838 valid and 351 invalid.",
        parameters={"required_rate": 0.75}, legal_bases=("hj75_12_1_3",),
    )  # fmt: skip
    save_findings(connection, run, [idle, stopped, replay, limit, rate])
    for site, outlet, score, families in (
        ("S1", "S1-2", 0.97, ["bypass"]),
        ("S2", "S2-1", 0.88, ["fabrication", "capture_rate"]),
        ("S3", "S3-3", 0.91, ["fabrication", "compliance"]),
    ):
        connection.execute(
            "INSERT INTO ranking (site_id, outlet_id, score, e_value, listed, families, run_id)"
            " VALUES (%s, %s, %s, 1000, true, %s, %s)",
            [site, outlet, score, families, run],
        )


def _rates(connection: Connection, run: int) -> None:
    rates = []
    for plant, least, causes, doubted in (
        (PLANTS[0], 1_170, {"missing": 17, "calibration": 2}, 0),
        (PLANTS[1], 838, {"fault": 143, "comms_fault": 80, "maintenance": 66, "missing": 62}, 11),
        (PLANTS[2], 905, {"fault": 199, "missing": 85}, 0),
    ):
        for shift, factor in enumerate(("a34013", "a21026", "a21002", "a19001", "a00000")):
            valid = min(1_189, least + 9 * abs(shift - 1))
            rates.append(
                CaptureRate(
                    OutletId(plant.outlet_id), FactorCode(factor), "2026Q3", 2_208, 1_200, 11, valid,
                    1_189 - valid, doubted, valid / 1_189, valid / (1_189 + doubted),
                    (valid + 1_008) / 2_197, causes,
                )
            )  # fmt: skip
    save_capture_rates(connection, run, rates)


def _raw_frames(connection: Connection) -> None:
    stream = _one(connection, "INSERT INTO stream (topic, topic_id) VALUES ('raw.cems', gen_random_uuid())"
                  " RETURNING stream_key", [])  # fmt: skip
    connection.execute(
        "INSERT INTO ingest_offset (stream_key, partition, next_offset, event_time) VALUES (%s, 0, 9, %s)",
        [stream, END],
    )
    device = _one(connection, "SELECT device_key FROM device WHERE mn = %s", [PLANTS[0].mn])
    for hour in range(6):
        time = IDLE_TREATMENT[0] + timedelta(hours=hour)
        text = (
            f"##0154QN={time:%Y%m%d%H%M%S}000;ST=31;CN=2061;PW=123456;MN={PLANTS[0].mn};Flag=5;"
            f"CP=&&DataTime={time.astimezone(SHANGHAI):%Y%m%d%H}0000;a21026-Avg=12.40,a21026-Flag=N&&F441\r\n"
        ).encode()
        received = time + timedelta(hours=1, seconds=2)
        connection.execute(
            "INSERT INTO raw_record VALUES (%s, 0, %s, %s, 1, %s)", [stream, hour, received, text]
        )
        connection.execute(
            "INSERT INTO frame (device_key, key_time, cn, part, received_at, payload_hash, sha256, crc_kind,"
            " edition, problems, readings, peer, stream_key, partition, kafka_offset, byte_offset, length)"
            " VALUES (%s, %s, 2061, 0, %s, %s, sha256(%s), %s, 2017, 0, 1, '10.1.2.3', %s, 0, %s, 0, %s)",
            [device, time, received, hour, text, 3 if hour == 4 else 0, stream, hour, len(text)],
        )


def _one(connection: Connection, query: str, parameters: list[object]) -> int:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])

"""The right column of the evidence page as HTML: why the rule spoke, and what may excuse it. Pure."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from detectors.catalogue import catalogue
from detectors.rule import RuleEntry
from domain.findings import Verdict
from domain.standards import legal_bases
from enforcement.service import ClueDetail
from enforcement.states import reasons
from storage.audit import AuditEvent
from storage.clues import FindingRow
from ui import shown
from ui.words import Words

#: What the data says of a normal explanation: it is supported, excluded, or open.
SIGNS = {Verdict.SUPPORTED: "✓", Verdict.EXCLUDED: "✗", Verdict.UNKNOWN: "?"}


def why(finding: FindingRow, words: Words) -> str:
    """Sentence, rule, statistic, null, parameters, legal basis, explanations of one finding."""
    w = html.escape
    null = words.term("null_model", finding.null_model) if finding.null_model else words("evidence.no_null")
    entry = catalogue().get(finding.rule)
    title = words.pick(entry.title_zh, entry.title_en) if entry else finding.rule
    statistic = words.term("statistic", finding.statistic_name)
    rows = [
        (words("evidence.flagged"), w(shown.interval(finding.starts_at, finding.ends_at))),
        (
            words("evidence.rule"),
            f"{w(title)} <span class='mc-note'>{w(finding.rule)}"
            f" {w(words('evidence.version', version=finding.version))}</span>",
        ),
        (
            words("evidence.statistic"),
            f"{w(statistic)} = <b>{w(shown.number(finding.statistic))}</b>",
        ),
        (words("evidence.null_model"), w(null)),
    ]
    if finding.p_value is not None:
        rows.append((words("evidence.p_value"), w(shown.probability(finding.p_value))))
    if finding.parameters:
        rows.append((words("evidence.parameters"), _parameters(finding, entry, words)))
    return (
        '<div class="mc-why">'
        f'<div class="mc-sentence"><span class="mc-grade mc-{w(finding.grade)}">{w(finding.grade)}</span> '
        f"{w(words.pick(finding.sentence_zh, finding.sentence_en))}</div>"
        f'<div class="mc-head">{w(words("evidence.explanations"))}</div>{_explanations(finding, words)}'
        f'<div class="mc-head">{w(words("evidence.why"))}</div>{_rows(rows)}'
        f'<div class="mc-head">{w(words("evidence.legal"))}</div>{_legal(finding, words)}'
        "</div>"
    )


def others(findings: Sequence[FindingRow], words: Words) -> str:
    """The other findings of the clue, one line each."""
    lines = "".join(
        f'<li><span class="mc-grade mc-{html.escape(f.grade)}">{html.escape(f.grade)}</span> '
        f"{html.escape(words.pick(f.sentence_zh, f.sentence_en))}"
        f' <span class="mc-note">{html.escape(shown.interval(f.starts_at, f.ends_at))}</span></li>'
        for f in findings
    )
    head = html.escape(words("evidence.more_findings", n=len(findings)))
    return f'<div class="mc-why"><div class="mc-head">{head}</div><ul>{lines}</ul></div>'


def past(detail: ClueDetail, words: Words) -> str:
    """What was done to the clue, newest first."""
    lines = "".join(
        f"<li><span class='mc-note'>{html.escape(shown.moment(e.at))}</span> "
        f"{html.escape(event_text(e, detail.names, words))}</li>"
        for e in reversed(detail.events)
    )
    return (
        f'<div class="mc-why"><div class="mc-head">{html.escape(words("evidence.past"))}</div>'
        f"<ul>{lines}</ul></div>"
    )


def event_text(event: AuditEvent, names: Mapping[str, str], words: Words) -> str:
    """`分析员 排除 · 设备检修 · 电话核实…`; the system's own acts without a name."""
    act = words.term("action", event.action.removeprefix("clue."))
    who = "" if event.actor == "system" else f"{names.get(event.actor, event.actor)} "
    known = reasons().get(str(event.detail.get("reason")))
    reason = words.pick(known.zh, known.en) if known else ""
    extra = [reason, str(event.detail.get("comment") or "")]
    return " · ".join([f"{who}{act}", *(text for text in extra if text)])


def _parameters(finding: FindingRow, entry: RuleEntry | None, words: Words) -> str:
    """One line each, named and with units as the catalogue has them."""
    lines = []
    for key, value in sorted(finding.parameters.items()):
        known = entry.parameters.get(key) if entry else None
        name = words.pick(known.zh, known.en) if known else key
        unit = known.unit if known and known.unit != "1" else ""
        lines.append(f"{html.escape(name)}: <b>{html.escape(shown.number(value))}</b> {html.escape(unit)}")
    return f"<span class='mc-note'>{'<br>'.join(lines)}</span>"


def _explanations(finding: FindingRow, words: Words) -> str:
    if not finding.explanations:
        return f'<div class="mc-note">{html.escape(words("evidence.no_explanations"))}</div>'
    lines = []
    for explanation in finding.explanations:
        verdict = Verdict(explanation["verdict"])
        text = html.escape(words.pick(str(explanation["zh"]), str(explanation["en"])))
        said = html.escape(words.term("verdict", verdict))
        lines.append(
            f'<li><span class="mc-sign mc-{verdict}">{SIGNS[verdict]}</span>{text}'
            f' <span class="mc-note">{said}</span></li>'
        )
    return f"<ul>{''.join(lines)}</ul>"


def _legal(finding: FindingRow, words: Words) -> str:
    known = legal_bases()
    lines = []
    for basis_id in finding.legal_bases:
        basis = known.get(basis_id)
        text = (
            basis_id
            if basis is None
            else f"{words.pick(basis.zh, basis.en)} {shown.article(basis.article, words)}"
        )
        lines.append(f"<li>{html.escape(text)}</li>")
    note = f'<div class="mc-note">{html.escape(words("evidence.legal_note"))}</div>'
    return f"<ul>{''.join(lines)}</ul>{note}"


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f'<div class="mc-k">{html.escape(k)}</div><div class="mc-v">{v}</div>' for k, v in rows)
    return f'<div class="mc-rows">{cells}</div>'

"""docs/rules.md, written from the catalogue: `python -m detectors.documentation > docs/rules.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from detectors.catalogue import catalogue
from detectors.rule import RuleEntry
from domain.standards import legal_bases

HEAD = """# Rules

Written from `detectors/catalogue/` by `python -m detectors.documentation`; a test keeps the two equal.

Grade A is a deterministic contradiction, B physically impossible across independent streams, C statistical.
A finding accuses nobody: it states an interval, the numbers behind it, what chance would give, and the
innocent explanations with what the data says of each. A rule that lacks data abstains and says so.
"""


def rules_page(entries: Iterable[RuleEntry]) -> str:
    """The page as Markdown, rules in the order given."""
    return "\n".join([HEAD, *(_rule(entry) for entry in entries)])


def _rule(entry: RuleEntry) -> str:
    bases = (legal_bases()[basis] for basis in entry.legal_bases)
    lines = [
        f"## {entry.title_zh} · {entry.title_en}",
        "",
        f"`{entry.id}`, version {entry.version}, family {entry.family.value}, grade {entry.grade.value}",
        "",
        f"> {entry.sentence_zh}",
        ">",
        f"> {entry.sentence_en}",
        "",
        f"Legal bases: {'; '.join(f'{b.zh}{b.article}' for b in bases) or 'none'}.",
        "",
    ]
    if entry.parameters:
        lines += ["| parameter | default | unit | 含义 | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| {name} | {p.default:g} | {p.unit} | {p.zh} | {p.en} |" for name, p in entry.parameters.items()
        ]
        lines.append("")
    if entry.explanations:
        lines.append("Innocent explanations weighed:")
        lines.append("")
        lines += [f"- {words.zh} · {words.en}" for words in entry.explanations.values()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(rules_page(catalogue().values()))

"""What every page that a command writes has in common: its style sheet, which stands inside it, and how it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from transvase.core.errors import Unfit

STYLE: Final = """
:root { --ink: #1c2430; --quiet: #667183; --line: #e3e8ed; --ground: #f5f7f9; --card: #ffffff; --good: #0f7b6c; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 28px 72px; }
h1 { font-size: 34px; line-height: 1.18; letter-spacing: -0.02em; margin: 0 0 10px; max-width: 22em; }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 0 0 4px; }
p { margin: 0 0 14px; max-width: 46em; }
.lead { color: var(--quiet); font-size: 18px; margin-bottom: 30px; }
.mark { display: inline-block; font-size: 13px; font-weight: 600; letter-spacing: 0.02em; padding: 3px 11px; border-radius: 99px;
  color: #fff; background: var(--good); margin-bottom: 16px; }
.mark.bad { background: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin-bottom: 14px; }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; }
.card { padding: 16px 18px 14px; }
.card .name { color: var(--quiet); font-size: 13px; }
.card .value { white-space: nowrap; font-size: 24px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.card .value.good { color: var(--good); }
.card .value.bad { color: var(--bad); }
.card .more { color: var(--quiet); font-size: 13px; line-height: 1.4; }
section { padding: 26px 28px 24px; margin-top: 22px; }
section > p { color: var(--quiet); }
svg { display: block; width: 100%; height: auto; margin: 8px 0 4px; }
svg.narrow { max-width: 760px; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 13px; padding: 6px 14px 6px 0;
  border-bottom: 1px solid var(--line); }
td { padding: 8px 14px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.example { margin-top: 20px; }
.example .query { font-weight: 600; margin-bottom: 6px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.side { border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px 12px; font-size: 14px; min-width: 0; }
.side .name { color: var(--quiet); font-size: 12.5px; margin-bottom: 3px; }
.side ol { margin: 0; padding-left: 20px; }
.side li { overflow-wrap: anywhere; color: var(--quiet); }
.side li.right { color: var(--good); font-weight: 600; }
code { font: 13.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--ground);
  border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; display: block; overflow-wrap: anywhere; }
footer { color: var(--quiet); font-size: 13px; margin-top: 26px; }
footer p { max-width: none; }
@media (max-width: 820px) { .cards { grid-template-columns: repeat(2, 1fr); } .pair { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } main { padding: 0; } section, .card { break-inside: avoid; } }
"""


def write_page(page: str, path: Path, *, option: str) -> None:
    """Write the page to ``path``, replacing what was there; Unfit, naming the ``option`` that chose it, where that cannot be."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Unfit(
            f"the page cannot be written to {path} ({error.strerror})", remedy=f"name another place with {option}"
        ) from error

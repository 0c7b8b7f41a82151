"""Measured checks of two indexes, and all of them together as a verdict that can lapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was measured, what it had to reach, and whether it did."""

    check: str
    measured: float
    threshold: float
    passed: bool
    detail: str

    def as_json(self) -> dict[str, object]:
        """The form that ``prove --json`` and the journal share."""
        return {
            "check": self.check,
            "measured": self.measured,
            "threshold": self.threshold,
            "passed": self.passed,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings about two indexes, bound by ``witness`` to what the store saw of them: another witness, and it lapses."""

    findings: tuple[Finding, ...]
    witness: str
    made_at: str

    @property
    def passed(self) -> bool:
        """True when something was checked and nothing failed."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def as_json(self) -> dict[str, object]:
        """The form that the journal keeps."""
        return {"witness": self.witness, "made_at": self.made_at, "findings": [f.as_json() for f in self.findings]}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Verdict:
        """Read back what ``as_json`` wrote."""
        findings = stored["findings"]
        if not isinstance(findings, Sequence):
            raise TypeError("findings")
        return cls(tuple(Finding(**finding) for finding in findings), str(stored["witness"]), str(stored["made_at"]))

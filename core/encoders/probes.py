"""The texts on which two ways of running one model are compared: short and long, plain and strange."""

from __future__ import annotations

import random
from typing import Final

PROBES: Final = (
    "",
    "refund",
    "How do I rotate the signing key of a service account?",
    "E-4711: connection reset by peer (errno 104)",
    "def area(radius: float) -> float:\n    return 3.14159 * radius ** 2\n",
    "Die Rechnung ist binnen 30 Tagen ohne Abzug zu zahlen; Skonto wird nicht gewährt.",
    "L'été dernier, nous avons migré l'entrepôt de données vers un nouveau fournisseur.",
    "数据库连接在事务提交之前超时。",
    "データベースの移行は夜間に行われます。",
    "Перезапустите узел после обновления ядра.",
    "قم بتحديث كلمة المرور قبل نهاية الشهر",
    "🚚📦 parcel #99 → depot №7, weight ≈ 3½ kg",
    "SELECT id, total FROM orders WHERE paid_at IS NULL ORDER BY created_at LIMIT 50;",
    "The boiler must be bled once a year. " * 6,
    "Before the valve is opened the operator closes the inlet, waits for the gauge to fall below two bar, and signs the log. "
    * 8,
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu " * 60,
)
"""Sixteen texts from nothing to more than any usual maximum length."""

_WORDS: Final = (
    "invoice ledger tenant kernel socket replica schema latency cursor quorum boiler valve gasket freight customs pallet "
    "statute appeal tariff clinic dosage allergy vaccine harvest orchard glacier sediment orbit lens prism catalyst "
    "Größe naïve façade señor žluťoučký 東京 서울 москва αβγ עברית हिन्दी x86_64 v2.3.1 0xdeadbeef user@example.org"
)


def proving_texts(count: int) -> tuple[str, ...]:
    """``count`` texts, the same ones always: the probes, odd cases, then mixtures of words from 1 to 400 long."""
    odd = (
        "   ",
        "\t\n",
        "a\0b",
        "x" * 100_000,
        "lone \ud800 surrogate",
        "word " * 20_000,
        "e\u0301\u200b\ufeff",
        "\u202eright to left",
    )
    source = random.Random(20_240_601)  # noqa: S311  # a fixed choice is the point; nothing here is secret
    words = _WORDS.split()
    mixed = (" ".join(source.choices(words, k=int(400 ** source.random()))) for _ in range(count))
    return (*PROBES, *odd, *mixed)[:count]

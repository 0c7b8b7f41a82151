"""From a file of tickets to a live index in a better space: signal, verdict, training, proof, export, migration, search.

What is trained is a matrix behind the model in use, so the new vectors are computed from the stored ones by a product: no text
is encoded again, except in the sample that `prove` judges by. Nothing of the other examples is needed; it starts afresh.
"""

from __future__ import annotations

import shutil

import ground
import tickets
from transvase.core.assessment import Conditions, assess
from transvase.core.connect import connect
from transvase.core.encoders import derivation_of, load
from transvase.core.evaluation import evaluate, read
from transvase.core.export import export
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.core.signal.assembly import Terms, assemble
from transvase.core.signal.cleaning import Rules
from transvase.core.signal.cut import Cut
from transvase.core.signal.harvest import Tally
from transvase.core.signal.qa import Columns, harvest_qa
from transvase.core.training import Rung, TrainSettings, train
from transvase.migrations.adopt import adopt
from transvase.migrations.encoding import shared
from transvase.migrations.migrate import migrate
from transvase.migrations.runner import silent

ground.models()
WORK = ground.PLACE / "tickets"
shutil.rmtree(WORK, ignore_errors=True)
WORK.mkdir()

# Signal. Tickets that one note answers are one family, and no family is divided: what is asked at the end is new.
tickets.write(WORK / "tickets.jsonl")
tally = Tally()
harvest = harvest_qa(WORK / "tickets.jsonl", columns=Columns(question="question", answer="answer"), tally=tally)
terms = Terms(rules=Rules(), cut=Cut(dev=0.25, test=0.25))
data = assemble(harvest, out=WORK / "collection", terms=terms, tally=tally, facts={"kind": "qa"}).out
print(f"signal:   {tally.read} tickets, {len(harvest.documents)} notes that answer them")

# Is training the right step at all? A small team's thresholds; the defaults ask for more signal.
asked = Conditions(usable_pairs=200, overfitting_pairs=100, failing_queries=50)
verdict = assess(data, load(ground.OLD), split="dev", asked=asked, minutes=0, seed=1, progress=silent)
print(f"assess:   {verdict.advice}: {verdict.next_step}")

# The cheapest rung that gives documents new vectors: a matrix behind both sides. One minute at most.
settings = TrainSettings(data=data, base="builtin:minilm", out=WORK / "model", minutes=1, rungs=(Rung.BOTH,))
trained = train(settings, progress=silent)
print(f"train:    {trained.note}")
assert trained.migration == "derive"

# Proof on questions that nobody has chosen anything by, beside plain text search and both hybrids.
models = {"in use": load(ground.OLD), "trained": load(str(WORK / "model"))}
found = evaluate(
    read(data, split="test"), models, split="test", progress=silent, baselines=True, validation=read(data, split="dev")
)
for name, figures in found.runs.items():
    print(f"evaluate: NDCG@10 {figures['ndcg@10'].mean():.3f}  {name}")
gain = found.comparison
assert gain is not None
print(f"evaluate: the trained one gains {gain.difference:+.3f}, 95 % {gain.ci_low:+.3f} … {gain.ci_high:+.3f}")
assert gain.ci_low > 0

# As ONNX it serves without torch, in the very same space.
exported = export(str(WORK / "model"), WORK / "onnx", progress=silent)
print(f"export:   least cosine with torch {exported.least_cosine:.6f}, the same space: {exported.same_space}")

# The application's table as it has been all along, with vectors of the model in use; then over, while it goes on being searched.
ground.fresh("answers", tickets.notes())
store, encoders = connect(ground.STORE), shared(load)
source = Source(table="answers", key=("id",), text="body", vector="embedding")
adopt(store, "answers", source=source, encoder=ground.OLD, encoders=encoders)
answers = Retriever(store, "answers", encoders=encoders)
question = "Quokka hangs, may I bounce it?"


def best() -> str:
    """The first hit. The first answer after a switch tells the reader of it, so ask twice."""
    answers.search(question, k=1)
    return answers.search(question, k=1)[0].text


print(f"before:   {question} {best()}")
filled = migrate(
    store,
    "answers",
    encoders=encoders,
    to=str(WORK / "onnx"),
    until=Phase.FILLED,
    derivations=lambda enc, space: derivation_of(enc, source=space),
)
print(f"migrate:  {filled.migration.phase}: every vector computed from the stored one")
proven = migrate(store, "answers", encoders=encoders)
verdicts = proven.migration.verdict
assert verdicts is not None
print("migrate: ", proven.migration.phase, "by", ", ".join(finding.check for finding in verdicts.findings))
print("migrate: ", migrate(store, "answers", encoders=encoders, until=Phase.LIVE).migration.phase)
print(f"after:    {question} {best()}")
assert "restart the inventory service" in best()
store.close()

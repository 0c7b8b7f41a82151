"""The raw signal of example 05: an engineering team's tickets, each closed with the note that answered it.

People call the services by code names that no public model has ever read; the notes say what a service does. Twelve names are
all that is to be learned here, so it is learned whole and in seconds: real signal gains less, and `evaluate` says how much.
"""

from __future__ import annotations

import json
from pathlib import Path

SERVICES = {
    "Kestrel": "billing",
    "Marmot": "search",
    "Tapir": "mail",
    "Osprey": "login",
    "Wombat": "reporting",
    "Heron": "storage",
    "Badger": "translation",
    "Ibis": "calendar",
    "Lynx": "video",
    "Puffin": "payroll",
    "Quokka": "inventory",
    "Stoat": "map",
}
NOTES = {
    "Only the engineer on call may restart the {0} service; announce it in the channel first.": (
        "who may restart {0}?",
        "{0} hangs, can I bounce it myself?",
        "am I allowed to reboot {0}?",
        "restarting {0} at night: whom do I ask?",
    ),
    "Passwords of the {0} service live in the vault and are changed every ninety days.": (
        "where is the {0} password?",
        "credentials for {0} please",
        "my secret for {0} stopped working",
        "how often do {0} passwords change?",
    ),
    "The {0} database is dumped at three in the morning and the dumps are kept for a month.": (
        "is {0} backed up?",
        "how far back can we restore {0} data?",
        "when does the {0} backup run?",
        "I deleted rows in {0}, help",
    ),
    "When the {0} service answers slowly, look at its queue before you add machines.": (
        "{0} is slow today",
        "{0} times out, more machines?",
        "latency of {0} went up",
        "why does {0} take ten seconds?",
    ),
    "New colleagues get read access to {0} on their first day and write access after a month.": (
        "when may a new hire write to {0}?",
        "access to {0} for our intern",
        "I started today and cannot open {0}",
        "permissions in {0} for newcomers",
    ),
    "Costs of the {0} service are reviewed on the first Monday of every quarter.": (
        "what does {0} cost us?",
        "who looks at the {0} bill?",
        "{0} got expensive, when is it discussed?",
        "budget review of {0}",
    ),
    "A release of the {0} service needs two reviews and a green run of the long tests.": (
        "how do I ship a new {0}?",
        "is one approval enough for {0}?",
        "deploying {0}: what has to pass?",
        "merge rules of {0}",
    ),
    "The {0} service logs no personal data; a sample of its log is checked each week.": (
        "are there customer names in {0} logs?",
        "privacy audit asks about {0}",
        "may I log user ids in {0}?",
        "what does {0} write down about people?",
    ),
    "Certificates of the {0} service are renewed by a job that mails the team when it fails.": (
        "{0} certificate expires tomorrow!",
        "who renews TLS for {0}?",
        "browser warns about {0}",
        "the https of {0} is about to lapse",
    ),
    "If the {0} service is down for more than ten minutes, write an incident report within two days.": (
        "{0} was down, what now?",
        "do we need a postmortem for {0}?",
        "outage of {0} this morning: paperwork?",
        "how long may {0} be dead unreported?",
    ),
}


def notes() -> list[tuple[str, str]]:
    """What the search is over: each service with each note about it."""
    return [(service, note.format(service)) for service in SERVICES.values() for note in NOTES]


def write(path: Path) -> None:
    """The tickets, one JSON object a line."""
    tickets = [
        {"question": question.format(code), "answer": note.format(service)}
        for code, service in SERVICES.items()
        for note, questions in NOTES.items()
        for question in questions
    ]
    path.write_text("".join(json.dumps(ticket) + "\n" for ticket in tickets), encoding="utf-8")

"""A tenant that sleeps is woken and put back: whoever else is in it, whatever is wanted of it meanwhile, whoever died there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.errors import StoreFailed
from weaviate.classes.tenants import Tenant, TenantActivityStatus
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.timeout(300)]

A, I = Activity.ACTIVE, Activity.INACTIVE  # noqa: E741 - read in a table

DYING = """
import sys
from transvase.adapters.weaviate import connect
setting = connect(sys.argv[1]).setting(sys.argv[2])
with setting.awake(sys.argv[3], "asleep"):
    print("inside", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        made.application.tenants(made.table, asleep="ACTIVE", awake="ACTIVE")
        for tenant in ("asleep", "awake"):
            made.write(1, text_of(1), tenant=tenant)
        made.adopted()
        Tenants(made.store.connection, made.table).bring({"asleep": I})
        yield made


def states(walk: Walk, name: str = "") -> dict[str, Activity]:
    return Tenants(walk.store.connection, name or walk.table).statuses()


def noted(walk: Walk) -> list[str]:
    return [doubt.why for doubt in walk.store.ledger.doubts(walk.alias)]


@contextmanager
def another(walk: Walk) -> Iterator[Setting]:
    """As another process would have it: nothing is shared but the server and the ledger."""
    store = connect(walk.url)
    try:
        yield store.setting(walk.alias)
    finally:
        store.close()


def test_one_process_does_not_put_to_sleep_what_another_one_reads(walk: Walk) -> None:
    mine = walk.store.setting(walk.alias)
    with another(walk) as theirs:
        first = mine.awake(walk.table, "asleep")
        first.__enter__()
        with theirs.awake(walk.table, "asleep"):
            first.__exit__(None, None, None)
            assert states(walk) == {"asleep": A, "awake": A}
            assert mine.tenancy(walk.table).wanted() == {"asleep": I, "awake": A}, "everybody knows that it is only woken"
            assert len(list(theirs.objects(walk.table, theirs.lens(), tenant="asleep"))) == 1
        assert states(walk) == {"asleep": I, "awake": A}
        with mine.awake(walk.table, "awake"):
            assert noted(walk) == []
    assert noted(walk) == []


def test_what_a_killed_process_left_awake_is_put_back_by_the_next_operator(walk: Walk) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, walk.url, walk.alias, walk.table], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "inside\n"
    with walk.store.hold(walk.alias):
        assert states(walk)["asleep"] is A, "whoever lives is left alone"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert (states(walk)["asleep"], len(noted(walk))) == (A, 1)
    with walk.store.hold(walk.alias):
        assert states(walk) == {"asleep": I, "awake": A}
    assert noted(walk) == []


def test_what_is_left_of_a_tenant_that_was_removed_or_changed_since_is_forgotten(walk: Walk) -> None:
    ledger, facts = walk.store.ledger, {"of": "woken tenant", "site": walk.table, "before": "INACTIVE"}
    for more in ({"tenant": "nobody"}, {"tenant": "asleep"}, {"tenant": "awake", "site": "Gone"}):
        ledger.doubt(walk.alias, "left by a process that died", facts={**facts, **more})
    with walk.store.hold(walk.alias):
        assert noted(walk) == []
    assert states(walk) == {"asleep": I, "awake": A}


def test_a_tenant_that_the_application_activates_while_we_are_in_it_stays_awake(walk: Walk) -> None:
    walk.opened()
    target = walk.store.alias(walk.alias).shadow
    assert target is not None
    assert states(walk, target.site) == {"asleep": I, "awake": A}
    mine = walk.store.setting(walk.alias)
    active = Tenant(name="asleep", activity_status=TenantActivityStatus.ACTIVE)
    with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
        with mine.awake(walk.table, "asleep"), mine.awake(target.site, "asleep"):
            mirror.tenants.update(active)
        assert states(walk) == states(walk, target.site) == {"asleep": A, "awake": A}
        mirror.tenants.update(Tenant(name="asleep", activity_status=TenantActivityStatus.INACTIVE))
        with mine.awake(walk.table, "asleep"):
            pass
        assert states(walk) == states(walk, target.site) == {"asleep": I, "awake": A}
    assert noted(walk) == []


def test_one_that_the_application_wants_awake_in_the_moment_of_putting_it_back_is_awake(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = walk.store.setting(walk.alias)
    bring = Tenants.bring

    def crossed(self: Tenants, states_: Any) -> None:
        """The application's wish comes after we looked and before our request."""
        monkeypatch.setattr(Tenants, "bring", bring)
        with another(walk) as theirs:
            theirs.wakings(walk.table).release(["asleep"])
            bring(theirs.tenancy(walk.table), {"asleep": A})
        bring(self, states_)

    with mine.awake(walk.table, "asleep"):
        monkeypatch.setattr(Tenants, "bring", crossed)
    assert states(walk) == {"asleep": A, "awake": A}


def test_one_that_the_application_changed_meanwhile_is_left_as_it_is(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, tenants = walk.store.setting(walk.alias), Tenants(walk.store.connection, walk.table)
    with mine.awake(walk.table, "asleep"):
        tenants.bring({"asleep": I})

        def never(*_: Any) -> None:
            raise AssertionError("it is not asked for once more")

        monkeypatch.setattr(Tenants, "bring", never)
    assert states(walk) == {"asleep": I, "awake": A}


def test_one_that_could_not_be_put_back_is_put_back_by_the_next_operator(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = walk.store.setting(walk.alias)

    def away(*_: Any) -> None:
        raise StoreFailed("the server went away")

    with (
        monkeypatch.context() as patch,
        pytest.raises(StoreFailed, match="went away"),
        mine.awake(walk.table, "asleep"),
    ):
        patch.setattr(Tenants, "bring", away)
    assert states(walk)["asleep"] is A
    with walk.store.hold(walk.alias):
        assert states(walk)["asleep"] is I
    assert noted(walk) == []


def counted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Activity]]:
    """What is asked for from now on, request by request."""
    asked: list[dict[str, Activity]] = []
    bring = Tenants.bring

    def noted_(self: Tenants, states_: Any) -> None:
        if states_:
            asked.append(dict(states_))
        bring(self, states_)

    monkeypatch.setattr(Tenants, "bring", noted_)
    return asked


@pytest.fixture
def sleepers(walk: Walk) -> list[str]:
    names = [f"t{number}" for number in range(6)]
    walk.application.tenants(walk.table, **dict.fromkeys(names, "INACTIVE"))
    return ["asleep", "awake", *names]


def test_many_that_sleep_are_woken_with_one_request_and_put_back_with_one(
    walk: Walk, sleepers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, before = walk.store.setting(walk.alias), states(walk)
    asked = counted(monkeypatch)
    for tenant in mine.each(sleepers, walk.table):
        with mine.awake(walk.table, tenant):
            assert len(list(mine.objects(walk.table, mine.lens(), tenant=tenant))) == (tenant in ("asleep", "awake"))
    asleep = sorted(name for name in sleepers if name != "awake")
    assert [(sorted(one), set(one.values())) for one in asked] == [(asleep, {A}), (asleep, {I})]
    assert states(walk) == before
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for tenant in mine.each(sleepers, walk.table):
            _ = 1 / (tenant != "awake")
    assert (states(walk), noted(walk)) == (before, [])


def test_of_many_that_were_woken_together_those_stay_awake_that_are_wanted_or_read_by_others(
    walk: Walk, sleepers: list[str]
) -> None:
    mine, before = walk.store.setting(walk.alias), states(walk)
    with another(walk) as theirs:
        group = mine.tenancy(walk.table).together(sleepers)
        group.__enter__()
        theirs.wakings(walk.table).release(["t1"])
        with theirs.awake(walk.table, "t2"):
            group.__exit__(None, None, None)
            assert states(walk) == {**before, "t1": A, "t2": A}
        assert states(walk) == {**before, "t1": A}
    assert noted(walk) == []


def test_where_one_of_many_does_not_wake_the_others_do_and_it_is_named(
    walk: Walk, sleepers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, bring = walk.store.setting(walk.alias), Tenants.bring
    before = states(walk)

    def stubborn(self: Tenants, states_: Any) -> None:
        if states_.get("t3") is A:
            raise StoreFailed("t3 cannot be loaded")
        bring(self, states_)

    monkeypatch.setattr(Tenants, "bring", stubborn)
    met: list[str] = []
    with pytest.raises(StoreFailed, match=r"tenant t3 of .* did not wake.*cannot be loaded"):  # noqa: PT012
        for tenant in mine.each(sleepers, walk.table):
            with mine.tenancy(walk.table).awake(tenant, patience_s=1.0):
                met.append(tenant)
    assert met == sleepers[: sleepers.index("t3")]
    with walk.store.hold(walk.alias):
        assert (states(walk), noted(walk)) == (before, [])

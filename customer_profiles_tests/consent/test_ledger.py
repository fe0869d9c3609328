from dataclasses import replace

from customer_profiles.consent.ledger import Appended, append, statements_of
from customer_profiles.consent.statements import Statement
from customer_profiles.state.engine import Store

YES = Statement(7, "crm", "c7", "marketing", "granted", 10, 20, "web form", "notice 3", "s-1")
NO = replace(YES, choice="refused", stated_at=11)


def test_a_statement_delivered_again_is_appended_once(state):
    with state.writing(Store.TRUST) as conn:
        assert append(conn, [YES, NO, YES]) == Appended(2, 1)
    with state.writing(Store.TRUST) as conn:
        assert append(conn, [replace(YES, received_at=99), NO]) == Appended(0, 2)
    with state.reading(Store.TRUST) as conn:
        assert statements_of(conn, [7, 8]) == [YES, NO]
        assert statements_of(conn, [8]) == []


def test_a_source_that_uses_a_number_again_for_another_choice_loses_neither(state):
    with state.writing(Store.TRUST) as conn:
        assert append(conn, [YES]) == Appended(1, 0)
        assert append(conn, [replace(YES, choice="withdrawn")]) == Appended(1, 0)
        assert [one.choice for one in statements_of(conn, [7])] == ["granted", "withdrawn"]

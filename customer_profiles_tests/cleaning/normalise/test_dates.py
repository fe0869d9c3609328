from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.formats import parser
from customer_profiles.cleaning.normalise.date import birth_date
from customer_profiles.cleaning.normalise.moment import moment
from customer_profiles.cleaning.reasons import Reason

TODAY = date(2026, 11, 1)
NOON = int(datetime(2026, 10, 31, 12, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    "written",
    [
        "2026-10-31T12:00:00Z",
        "2026-10-31T13:00:00+01:00",
        "2026-10-31 12:00:00",
        "2026-10-31T12:00:00.000000000Z",
        "2026-10-31 12:00:00 UTC",
        "31/10/2026 12:00:00",
        "Sat, 31 Oct 2026 12:00:00 GMT",
        "20261031120000",
        NOON // 1_000_000,
        NOON // 1000,
        NOON,
        NOON * 1000,
        str(NOON // 1000),
        NOON / 1_000_000,
        datetime(2026, 10, 31, 12),
        datetime(2026, 10, 31, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_moment_is_understood_however_it_is_written(written: object) -> None:
    assert moment(written) == NOON


def test_a_time_without_zone_is_in_the_zone_of_its_source() -> None:
    assert moment("2026-07-01 12:00:00", "Europe/London") == moment("2026-07-01T11:00:00Z")
    assert moment("2026-12-01 12:00:00", "Europe/London") == moment("2026-12-01T12:00:00Z")


def test_an_hour_that_comes_twice_is_its_first() -> None:
    assert moment("2026-10-25 01:30:00", "Europe/London") == moment("2026-10-25T00:30:00Z")


@pytest.mark.parametrize(
    "wrong",
    [
        "2026-02-30T10:00:00Z",
        "2026-02-30T25:61:00Z",
        "yesterday",
        "0000-00-00 00:00:00",
        "1",
        float("nan"),
        10**30,
    ],
)
def test_a_moment_that_cannot_be_says_so(wrong: object) -> None:
    assert moment(wrong) is Reason.BAD_DATE


def test_a_truth_value_is_no_time() -> None:
    assert moment(True) is Reason.WRONG_TYPE


@given(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))
def test_a_moment_keeps_every_microsecond(at: datetime) -> None:
    micros = moment(at.isoformat())
    assert isinstance(micros, int)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros) == at


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_a_reason(written: str) -> None:
    found = moment(written)
    assert found is None or isinstance(found, int | Reason)


@pytest.mark.parametrize(
    "written", ["1980-12-31", "31/12/1980", "31.12.1980", "31 Dec 1980", "19801231", "1980-12-31T00:00:00Z"]
)
def test_a_birth_date_has_one_form(written: str) -> None:
    assert birth_date(written, TODAY) == "1980-12-31"


@pytest.mark.parametrize(
    "wrong", ["31/02/1980", "00/00/0000", "12/13/1975", "1899-12-31", "2026-11-02", "2050-01-01", "old"]
)
def test_a_birth_date_that_cannot_be_says_so(wrong: str) -> None:
    assert birth_date(wrong, TODAY) is Reason.BAD_DATE


@given(st.dates(date(1900, 1, 1), TODAY))
def test_a_clean_birth_date_stays_as_it_is(born: date) -> None:
    clean = birth_date(born, TODAY)
    assert clean == born.isoformat()
    assert birth_date(clean, TODAY) == clean


FORMATS = [
    "%d/%m/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%m.%d.%Y",
    "%d-%b-%Y",
    "%Y%m%d",
    "%H:%M %d/%m/%Y",
]


@given(
    st.sampled_from(FORMATS),
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)),
    st.text(alphabet="0123456789/:- ", max_size=19),
)
def test_a_format_is_read_as_strptime_reads_it(form: str, at: datetime, other: str) -> None:
    for written in (at.strftime(form), other):
        try:
            expected: datetime | None = datetime.strptime(written, form)
        except ValueError:
            expected = None
        try:
            found: datetime | None = parser(form)(written)
        except ValueError:
            found = None
        assert found == expected

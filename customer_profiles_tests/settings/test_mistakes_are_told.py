"""Every mistake in a settings file is told, all at once, with its line and what was probably meant."""

from pathlib import Path

import pytest

from customer_profiles.settings import Settings, SettingsError, load_settings, settings_from_text

CRM = """\
defaults: {phone_region: GB, time_zone: Europe/London, currency: GBP}
sources:
  crm:
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      contacts:
        contract: record
        table: contacts
        key: id
        fields:
          source_key: id
          emails: [email, email_2]
          external_ids: {user_id: web_user_id}
        extra: {loyalty_tier: tier}
"""
FEED = "sources.crm.feeds.contacts"
EMAIL_FEED = "sources.email.feeds.unsubscribed.fields"


def settings_of(text: str, **environment: str) -> Settings:
    return settings_from_text(text, Path("/shop/customer_profiles.yaml"), environment)


def mistakes_in(text: str, **environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_of(text, **environment)
    return [str(problem) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert old in CRM
    return CRM.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("defaults:", "default:", "line 1: default is an unknown key: did you mean defaults?"),
        (
            "    connector:",
            "    conector:",
            "line 4: sources.crm.conector is an unknown key: did you mean connector?",
        ),
        (
            "contract: record",
            "contract: recrod",
            f"line 7: {FEED}.contract must be one of record, interaction, consent: did you mean record?",
        ),
        (
            "type: database",
            "type: databse",
            "line 4: sources.crm.connector.type must be one of database, files, collector: did you mean database?",
        ),
        (
            "emails: [",
            "emials: [",
            f"line 12: {FEED}.fields.emials is not a field of the contract record: did you mean emails?",
        ),
        (
            "[email, email_2]",
            "[email, {column: e, fromat: x}]",
            f"line 12: {FEED}.fields.emails[1].fromat is an unknown key: did you mean format?",
        ),
        (
            "[email, email_2]",
            "{colum: email, map: {x: y}}",
            f"line 12: {FEED}.fields.emails.colum is an unknown key: did you mean column?",
        ),
        (
            "{user_id: web",
            "{usr_id: web",
            f"line 13: {FEED}.fields.external_ids.usr_id is not among identity.identifiers: "
            "did you mean user_id?",
        ),
        (
            "phone_region: GB",
            "phone_region: UK",
            "line 1: defaults.phone_region is no region of ISO 3166-1 with phone numbers, "
            "such as GB, US or DE",
        ),
        (
            "Europe/London",
            "London",
            "line 1: defaults.time_zone is no IANA time zone, such as Europe/London or UTC",
        ),
        (
            "currency: GBP",
            "currency: GPB",
            "line 1: defaults.currency is no currency of ISO 4217, such as GBP, USD or EUR",
        ),
        (
            "        table: contacts\n",
            "",
            f"line 6: {FEED}.table is missing: a feed of a database source needs it",
        ),
        (
            "          source_key: id\n",
            "",
            f"line 10: {FEED}.fields.source_key is missing: the contract record needs it",
        ),
        (
            "        key: id\n",
            "        key: id\n        files: '*.csv'\n",
            f"line 10: {FEED}.files means nothing in a database source: remove it",
        ),
        (
            "        key: id\n",
            "        key: id\n        key: number\n",
            f"line 10: {FEED}.key is given twice, first in line 9: keep one",
        ),
        ("defaults:", "folder: /tmp\ndefaults:", "line 1: folder is no key of the settings file: remove it"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_line_and_the_nearest_right_one(
    old: str, new: str, told: str
) -> None:
    assert told in mistakes_in(changed(old, new))


@pytest.mark.parametrize(
    ("added", "told"),
    [
        (
            "purposes: {ads: {description: Ads., lawful_basis: consent, default: allow}}\n"
            "serving: {default_purpose: ads}",
            "line 15: purposes.ads rests on consent, which is never assumed: its default must be deny",
        ),
        (
            "serving: {default_purpose: suport}",
            "line 15: serving.default_purpose names suport, which is not among the purposes: "
            "did you mean support?",
        ),
        (
            "traits: {t: {description: d, source: extra.loyalty_teir, class: none, purposes: [support]}}",
            "line 15: traits.t.source names an attribute that no feed has under `extra`: "
            "did you mean extra.loyalty_tier?",
        ),
        (
            "traits: {t: {description: d, source: extra.loyalty_tier, class: behavioral, purposes: []}}",
            "line 15: traits.t.class must be one of none, pseudonym, identifier, contact, demographic, "
            "behavioural, sensitive, financial: did you mean behavioural?",
        ),
        (
            "traits: {t: {description: d, source: extra.loyalty_tier, class: none, purposes: [], "
            "retention: 3y}}",
            "line 15: traits.t.retention must be an ISO 8601 duration, such as P3Y, P18M or P90D",
        ),
        (
            "identity: {identifiers: {email: {joins: allways}}}",
            "line 15: identity.identifiers.email.joins must be one of always, unless_names_conflict, "
            "evidence: "
            "did you mean always?",
        ),
        ("sla: {seconds: soon}", "line 15: sla.seconds must be a number"),
        ("sla: [60]", "line 15: sla must be a mapping"),
    ],
)
def test_what_is_named_must_exist_and_be_lawful(added: str, told: str) -> None:
    assert told in mistakes_in(CRM + added)


ORDERS = (
    CRM
    + """\
      orders:
        contract: interaction
        table: orders
        key: id
        fields:
          event_id: id
          record_key: customer
          type: {value: purchase}
          occurred_at: at
          properties: {category: department}
"""
)


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        (
            "{lengths: [7d, 7w]}",
            "lengths[1] must be a number of minutes, hours or days, such as 45m, 36h or 90d, or lifetime",
        ),
        (
            "{lengths: [0m]}",
            "lengths[0] must be a number of minutes, hours or days, such as 45m, 36h or 90d, or lifetime",
        ),
        ("{lengths: [24h, 1d]}", "lengths names one length twice: 24h and 1d"),
        ("{lengths: [3651d]}", "lengths[0] must be at most 3650d: what is longer is the lifetime"),
        (
            "{properties: [categry]}",
            "properties names categry, which no feed has under `properties`: did you mean category?",
        ),
        ("{properties: [category, category]}", "properties names a property twice"),
    ],
)
def test_a_window_or_property_that_cannot_be_counted_is_told(windows: str, told: str) -> None:
    assert mistakes_in(f"{ORDERS}windows: {windows}") == [f"line 25: windows.{told}"]


def test_windows_are_taken_as_they_are_named() -> None:
    windows = settings_of(f"{ORDERS}windows: {{lengths: [45m, 90d], properties: [category]}}").windows
    assert (windows.lengths, windows.properties) == (("45m", "90d"), ("category",))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = CRM.replace("    connector:", "    truts: 90\n    connector:").replace("emails:", "emials:")
    told = mistakes_in(text + "serving: {default_purpose: nothing}\n")
    assert [line.split(":")[0] for line in told] == ["line 4", "line 13", "line 16"]


def test_a_mistake_does_not_drag_others_behind_it() -> None:
    wrong = changed("        contract: record\n", "        contract: recrod\n")
    trait = "traits: {t: {description: d, source: extra.loyalty_tier, class: none, purposes: [support]}}\n"
    assert len(mistakes_in(wrong + trait)) == 1


def test_a_consent_feed_names_only_purposes_and_choices_there_are() -> None:
    told = mistakes_in(
        """\
sources:
  email:
    connector: {type: files, folder: exports}
    feeds:
      unsubscribed:
        contract: consent
        files: "*.csv"
        fields:
          identifiers: {email: address}
          purpose: {column: list, map: {news: marketing, offers: markting}}
          choice: {value: refusd}
          stated_at: at
"""
    )
    assert told == [
        f"line 10: {EMAIL_FEED}.purpose gives a value that is not among the purposes: "
        "did you mean marketing?",
        f"line 11: {EMAIL_FEED}.choice gives a value that is not among the choices: did you mean refused?",
    ]


def test_money_without_a_currency_and_phones_without_a_region_are_refused() -> None:
    told = mistakes_in(
        """\
sources:
  shop:
    connector: {type: files, folder: exports}
    feeds:
      orders:
        contract: interaction
        files: "*.csv"
        fields: {event_id: id, record_key: c, type: {value: purchase}, occurred_at: at, value: total}
      buyers: {contract: record, files: "*.csv", fields: {source_key: id, phones: phone}}
"""
    )
    assert [line.split(" ", 2)[2].split(" ", 1)[0] for line in told] == [
        "sources.shop",
        "sources.shop.feeds.orders.fields.value",
    ]


def test_a_value_that_may_be_of_two_types_is_told_once() -> None:
    text = CRM.replace("contract: record", "contract: interaction").replace("source_key: id", "event_id: id")
    text = text.replace("emails: [email, email_2]", "value: {column: total, scale: curency}")
    assert (
        f"line 12: {FEED}.fields.value.scale must be a whole number, or one of currency: "
        "did you mean currency?" in mistakes_in(text)
    )


def test_a_file_that_is_no_yaml_says_where() -> None:
    assert mistakes_in("company: [a\nsources: {}\n")[0].startswith("line 2: the file is not YAML here")


def test_a_literal_password_in_a_url_is_refused_and_not_repeated() -> None:
    for url in ("postgresql://me:hunter2@db/shop", "postgresql://db/shop?user=me&password=hunter2"):
        told = mistakes_in(changed("sqlite:///crm.db", url))
        assert told == [
            "line 4: sources.crm.connector.url holds a password: "
            "put it in an environment variable and write ${ITS_NAME} in its place"
        ]


def test_a_value_from_the_environment_never_stands_in_a_message() -> None:
    told = mistakes_in(changed("type: database", "type: ${KIND}"), KIND="hunter2")
    assert told
    assert not any("hunter2" in line for line in told)


def test_a_missing_environment_variable_is_named() -> None:
    told = mistakes_in(changed("sqlite:///crm.db", "postgresql://me:${CRM_PASSWORD}@db/shop"))
    assert told == [
        "line 4: sources.crm.connector.url needs the environment variable CRM_PASSWORD, which is not set: "
        "export CRM_PASSWORD=…"
    ]


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no settings file .*nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml")

"""A settings file becomes one typed, frozen object; a short one is enough."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from customer_profiles.settings import (
    Column,
    Constant,
    DatabaseConnector,
    FilesConnector,
    Joins,
    KeyFile,
    KeyVariable,
    Nested,
    Settings,
    Several,
    load_settings,
    settings_from_text,
)
from customer_profiles.settings.base import Part
from customer_profiles.settings.mapping import columns_of
from customer_profiles_tests.settings.test_mistakes_are_told import CRM, settings_of

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_settings_of_the_demo_company_are_right() -> None:
    settings = load_settings(REPOSITORY / "customer_profiles.yaml", environment={})
    assert len(settings.sources) == 7
    assert {feed.contract for _, _, feed in settings.feeds()} == {"record", "interaction", "consent"}


def test_an_empty_file_gives_working_defaults() -> None:
    settings = settings_of("")
    assert settings.state.url == "sqlite:/shop/.data/state"
    assert settings.state.key == KeyFile(path=Path("/shop/.data/keys/master.key"))
    assert settings.purposes["marketing"].default == "deny"
    assert settings.purposes["support"].default == "allow"
    assert settings.sla.seconds == 60
    assert settings.identity.identifiers["user_id"].joins is Joins.ALWAYS


def test_relative_paths_count_from_the_folder_of_the_file() -> None:
    settings = settings_of(
        CRM + "  web:\n    connector: {type: files, folder: .data/web}\n    feeds: " + RECORD_FEED
    )
    crm, web = settings.sources["crm"].connector, settings.sources["web"].connector
    assert isinstance(crm, DatabaseConnector)
    assert crm.url == "sqlite:////shop/crm.db"
    assert isinstance(web, FilesConnector)
    assert web.folder == Path("/shop/.data/web")
    assert settings.folder == Path("/shop")


RECORD_FEED = "{people: {contract: record, files: '*.jsonl', fields: {source_key: userId}}}\n"


def test_the_environment_is_put_in_and_a_doubled_dollar_stays_one() -> None:
    text = CRM.replace("sqlite:///crm.db", "postgresql://me:${CRM_PASSWORD}@db/shop")
    settings = settings_of("company: A$$B\n" + text, CRM_PASSWORD="s3cret")
    connector = settings.sources["crm"].connector
    assert isinstance(connector, DatabaseConnector)
    assert connector.url == "postgresql://me:s3cret@db/shop"
    assert settings.company == "A$B"
    assert "s3cret" not in repr(settings)


def test_a_password_with_the_signs_of_a_url_must_only_be_quoted_in_the_environment() -> None:
    text = CRM.replace("sqlite:///crm.db", "postgresql://me:${CRM_PASSWORD}@db/shop")
    connector = settings_of(text, CRM_PASSWORD="a%40b").sources["crm"].connector
    assert isinstance(connector, DatabaseConnector)
    assert connector.url == "postgresql://me:a%40b@db/shop"


def test_every_way_to_write_a_mapping_becomes_its_own_type() -> None:
    text = CRM.replace(
        "          emails:",
        """\
          birth_date: {column: dob, format: "%d/%m/%Y"}
          language: {value: en}
          preferences: {newsletter: {column: flags.news, map: {1: true, 0: false}}}
          emails:""",
    )
    fields = settings_of(text).sources["crm"].feeds["contacts"].fields
    assert fields["source_key"] == Column(column="id")
    assert fields["birth_date"] == Column(column="dob", format="%d/%m/%Y")
    assert fields["language"] == Constant(value="en")
    assert fields["emails"] == Several(parts=(Column(column="email"), Column(column="email_2")))
    preferences = fields["preferences"]
    assert isinstance(preferences, Nested)
    (newsletter,) = columns_of(preferences)
    assert newsletter.path == ("flags", "news")
    assert (newsletter.meaning(1), newsletter.meaning("0"), newsletter.meaning("?")) == (True, False, None)


def test_a_feed_knows_every_column_it_reads_and_no_other() -> None:
    text = CRM.replace(
        "        key: id\n", "        key: id\n        cursor: updated_at\n        where: {kind: person}\n"
    )
    feed = settings_of(text).sources["crm"].feeds["contacts"]
    assert feed.columns == ("email", "email_2", "id", "kind", "tier", "updated_at", "web_user_id")


def test_the_fingerprint_of_a_feed_follows_its_meaning_and_not_its_layout() -> None:
    def fingerprint(text: str) -> str:
        return settings_of(text).sources["crm"].feeds["contacts"].fingerprint

    key, emails = "          source_key: id\n", "          emails: [email, email_2]\n"
    reordered = CRM.replace(key + emails, emails + key)
    assert reordered != CRM
    assert fingerprint(reordered) == fingerprint(CRM)
    assert fingerprint(CRM.replace("email_2", "email_3")) != fingerprint(CRM)


def test_what_is_given_of_an_identifier_is_laid_over_its_defaults() -> None:
    settings = settings_of("identity: {identifiers: {email: {cap: 9}, card: {joins: always, cap: 2}}}")
    email = settings.identity.identifiers["email"]
    assert (email.cap, email.joins, email.weight) == (9, Joins.UNLESS_NAMES_CONFLICT, 12)
    assert settings.identity.identifiers["card"].joins is Joins.ALWAYS
    assert "phone" in settings.identity.identifiers


def test_a_source_may_differ_from_the_defaults() -> None:
    locale = settings_of(CRM.replace("    connector:", "    phone_region: DE\n    connector:")).locale("crm")
    assert (locale.phone_region, locale.time_zone, locale.currency) == ("DE", "Europe/London", "GBP")


def test_a_key_of_the_environment_is_read_by_its_provider() -> None:
    key = settings_of("state: {key: {provider: environment, variable: SHOP_KEY}}").state.key
    assert key == KeyVariable(provider="environment", variable="SHOP_KEY")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings_of("").company = "Another"  # type: ignore[misc]


def test_the_file_is_found_by_path_then_environment_then_folder_and_those_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "shop" / "deep" / "deeper"
    below.mkdir(parents=True)
    for folder, company in ((tmp_path / "shop", "Found above"), (tmp_path, "Named")):
        (folder / "customer_profiles.yaml").write_text(f"company: {company}\n", encoding="utf-8")
    monkeypatch.chdir(below)
    named = {"CUSTOMER_PROFILES_SETTINGS": str(tmp_path / "customer_profiles.yaml")}
    assert load_settings(environment={}).company == "Found above"
    assert load_settings(environment=named).company == "Named"
    assert load_settings(tmp_path / "shop", environment=named).company == "Found above"


def test_every_key_of_the_settings_is_described() -> None:
    def undescribed(model: type[Part]) -> list[str]:
        return [name for name, field in model.model_fields.items() if not field.description]

    seen: set[type[Part]] = set()
    waiting: list[type[Part]] = [Settings]
    while waiting:
        model = waiting.pop()
        seen.add(model)
        assert undescribed(model) == [], model
        waiting += [found for found in _models_in(model) if found not in seen]
    assert len(seen) > 15


def _models_in(model: type[Part]) -> list[type[Part]]:
    def inside(annotation: object) -> Iterator[type[Part]]:
        if isinstance(annotation, type) and issubclass(annotation, Part):
            yield annotation
        for part in get_args(annotation):
            yield from inside(part)

    return [found for field in model.model_fields.values() for found in inside(field.annotation)]


def test_text_and_file_give_the_same_settings(tmp_path: Path) -> None:
    file = tmp_path / "customer_profiles.yaml"
    file.write_text(CRM, encoding="utf-8")
    assert load_settings(file) == settings_from_text(CRM, file)

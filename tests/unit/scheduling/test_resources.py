# SPDX-License-Identifier: Apache-2.0
import pytest

from airflow_priority_spark.errors import InvalidQuantity
from airflow_priority_spark.scheduling.resources import (
    Resources,
    format_amount,
    format_needed_and_free,
    parse_amount,
    parse_cpu_millis,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("7", 7),
        (7, 7),
        ("1k", 10**3),
        ("1M", 10**6),
        ("1G", 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("1Ki", 2**10),
        ("1Mi", 2**20),
        ("1Gi", 2**30),
        ("1Ti", 2**40),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("5E", 5 * 10**18),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1.5e+3", 1500),
        ("12e-1", 2),
        ("1.5Gi", 3 * 2**29),
        (".5Ki", 512),
        ("5.", 5),
        ("+3", 3),
        ("-3", -3),
        (1.5, 2),
    ],
)
def test_an_amount_is_read_as_kubernetes_reads_it(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("512m", 1), ("1001m", 2), ("1n", 1), ("0.1", 1), ("-1001m", -2), ("1e-1000", 1)]
)
def test_a_fraction_of_a_unit_is_rounded_up_away_from_zero(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    ("text", "millis"),
    [("1", 1000), ("500m", 500), ("0.1", 100), ("1.0005", 1001), ("1u", 1), ("2k", 2 * 10**6)],
)
def test_cpu_is_in_millicores_rounded_up(text, millis):
    assert parse_cpu_millis(text) == millis


@pytest.mark.parametrize("text", ["12E", "1e1000", "1e999999999999", "99999999999999999999", "9Ei"])
def test_what_is_beyond_64_bits_becomes_the_greatest_number_as_in_kubernetes(text):
    assert parse_amount(text) == 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Gi",
        "1 Gi",
        "1K",
        "1gi",
        "1Kib",
        "1e",
        "1e1.5",
        "e3",
        "--1",
        "1..5",
        "0x10",
        "nan",
        "inf",
        "1_000",
        "٣",
        True,
        None,
        "1" * 101,
    ],
)
def test_anything_else_is_refused_with_the_field_the_value_and_what_is_allowed(text):
    with pytest.raises(InvalidQuantity) as caught:
        parse_amount(text, "spec.driver.memory")
    message = str(caught.value)
    assert message.startswith(f"spec.driver.memory: {text!r} is not valid; allowed: a Kubernetes quantity")


def test_a_resource_list_names_the_resource_that_is_wrong():
    with pytest.raises(InvalidQuantity, match="memory: '1Gx' is not valid"):
        Resources.parse({"cpu": "1", "memory": "1Gx"})


def test_cpu_quota_keys_are_in_millicores_and_others_in_whole_units():
    parsed = Resources.parse({"requests.cpu": "1", "limits.cpu": "2", "requests.memory": "1Ki", "pods": 3})
    assert parsed.as_dict() == {"limits.cpu": 2000, "pods": 3, "requests.cpu": 1000, "requests.memory": 1024}


def test_vectors_are_equal_when_their_amounts_are_whatever_the_order():
    assert Resources({"cpu": 1, "memory": 2}) == Resources({"memory": 2, "cpu": 1, "pods": 0})
    assert hash(Resources({"cpu": 1, "memory": 2})) == hash(Resources({"memory": 2, "cpu": 1}))


def test_vectors_add_subtract_scale_and_compare():
    one, two = Resources({"cpu": 1, "memory": 5}), Resources({"cpu": 3})
    assert (one + two).as_dict() == {"cpu": 4, "memory": 5}
    assert (one - two).as_dict() == {"cpu": -2, "memory": 5}
    assert (one - two).clamped().as_dict() == {"memory": 5}
    assert (one * 3).as_dict() == {"cpu": 3, "memory": 15}
    assert one.maximum(two).as_dict() == {"cpu": 3, "memory": 5}
    assert two.fits_in(Resources({"cpu": 3}))
    assert not one.fits_in(two)


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("cpu", 1500, "1.5 CPU"),
        ("limits.cpu", 1, "0.001 CPU"),
        ("memory", 96 * 2**30, "96 GiB"),
        ("requests.memory", 1536 * 2**20, "1.5 GiB"),
        ("requests.ephemeral-storage", 512, "512 B"),
        ("hugepages-2Mi", 2**21, "2 MiB"),
        ("pods", 3, "3 pods"),
        ("count/services", 2, "2 services"),
        ("requests.nvidia.com/gpu", 2, "2 nvidia.com/gpu"),
    ],
)
def test_amounts_are_said_as_people_say_them(resource, amount, text):
    assert format_amount(resource, amount) == text


def test_amounts_that_differ_by_one_byte_are_not_said_as_equal():
    assert format_needed_and_free("memory", 2**30 + 1, 2**30) == ("1073741825 B", "1073741824 B")
    assert format_needed_and_free("memory", 2**30, 2**30) == ("1 GiB", "1 GiB")
    assert format_needed_and_free("cpu", 1001, 1000) == ("1.001 CPU", "1 CPU")

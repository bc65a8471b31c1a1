# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_priority_spark.errors import InvalidMemoryString
from airflow_priority_spark.spark.memory import GIB, KIB, MIB, parse_mebibytes, parse_memory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512m", 512 * MIB),
        ("512M", 512 * MIB),
        ("512mb", 512 * MIB),
        ("4g", 4 * GIB),
        (" 4G ", 4 * GIB),
        ("1t", 1024 * GIB),
        ("1p", 2**50),
        ("100b", 100),
        ("3k", 3 * KIB),
        ("1024", 1024 * MIB),
        (1024, 1024 * MIB),
        ("0", 0),
    ],
)
def test_memory_strings_are_read_as_spark_reads_them(text, expected):
    assert parse_memory(text, "spec.driver.memory") == expected


def test_a_number_without_suffix_counts_the_unit_of_its_setting():
    assert parse_memory("1073741824", "offheap", unit=1) == GIB


def test_mebibytes_are_rounded_down_as_spark_converts_them():
    assert parse_mebibytes("1500k", "spec.driver.memory") == 1


@pytest.mark.parametrize("text", ["4Gi", "512Mi", "1.5g", "-1g", "g", "", "4 g", "4x", True, None])
def test_what_spark_refuses_is_refused_with_field_value_and_what_is_allowed(text):
    with pytest.raises(InvalidMemoryString) as caught:
        parse_memory(text, "spec.driver.memory")
    message = str(caught.value)
    assert message.startswith(f"spec.driver.memory: {text!r} is not valid; allowed: a whole number")
    assert "512m or 4g" in message
    assert "without a suffix it counts MiB" in message

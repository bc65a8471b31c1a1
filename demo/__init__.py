# SPDX-License-Identifier: Apache-2.0
"""The demo, and the real Airflow installation on one machine that it shares with the end-to-end tests."""

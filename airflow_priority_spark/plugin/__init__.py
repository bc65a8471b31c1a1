# SPDX-License-Identifier: Apache-2.0
"""What this package adds to Airflow's own processes."""

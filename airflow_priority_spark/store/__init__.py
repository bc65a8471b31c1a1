# SPDX-License-Identifier: Apache-2.0
"""Our tables in Airflow's metadata database, and the only SQL of the package."""

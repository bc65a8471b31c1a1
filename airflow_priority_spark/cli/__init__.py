# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark …``: look at queues and jobs, run an arbiter, give waiting tasks back."""

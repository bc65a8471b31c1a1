# SPDX-License-Identifier: Apache-2.0
"""What DAG authors put into their DAGs."""

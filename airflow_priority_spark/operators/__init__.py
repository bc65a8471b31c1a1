# SPDX-License-Identifier: Apache-2.0
"""What DAG authors import to run Spark applications."""

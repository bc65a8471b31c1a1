# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told. It reads through ``store`` only, so every exporter says the same."""

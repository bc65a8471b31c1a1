# SPDX-License-Identifier: Apache-2.0
"""The REST API for people and programs, mounted at ``/priority-spark`` by the plugin."""

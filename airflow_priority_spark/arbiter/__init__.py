# SPDX-License-Identifier: Apache-2.0
"""The loop that decides which waiting job starts, and the processes around it."""

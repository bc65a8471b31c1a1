# SPDX-License-Identifier: Apache-2.0
"""How a task waits without a worker: for its admission, and for its application."""

# SPDX-License-Identifier: Apache-2.0
"""What deferred tasks wait on, in the triggerer. No database here."""

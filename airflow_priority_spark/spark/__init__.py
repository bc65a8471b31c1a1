# SPDX-License-Identifier: Apache-2.0
"""What a SparkApplication asks for, is called and goes through; no I/O."""

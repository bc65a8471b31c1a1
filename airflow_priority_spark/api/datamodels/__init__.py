# SPDX-License-Identifier: Apache-2.0
"""The answers of the API, as its OpenAPI document describes them."""

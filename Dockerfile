# SPDX-License-Identifier: Apache-2.0
# Apache Airflow with this package in it, for every component and the migration job of the official chart.
#
#   docker build --target airflow --tag registry.example.org/airflow-priority-spark:3.3.2-0.1.0 .
#
# Building upon an image of your own: --build-arg AIRFLOW_IMAGE=registry.example.org/our-airflow:3.3.2
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12

# The wheel is built apart, so that the image holds neither sources nor build tools.
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY airflow_priority_spark ./airflow_priority_spark
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# hadolint ignore=DL3006
FROM ${AIRFLOW_IMAGE} AS airflow
# The versions that Airflow was tested with are those of the image: what is there stays as it is.
RUN --mount=type=bind,from=wheel,source=/wheels,target=/tmp/wheels \
    pip freeze --exclude-editable > /tmp/constraints.txt \
    && pip install --no-cache-dir --constraint /tmp/constraints.txt /tmp/wheels/*.whl \
    && rm /tmp/constraints.txt \
    && airflow priority-spark --help > /dev/null

# For compose.yaml only: real Spark drivers, which need Java, and the embedded cluster.
FROM airflow AS demo
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=airflow --group=root --mode=0770 /cluster
USER 50000
# hadolint ignore=DL3013,DL3042
RUN pip install --no-cache-dir "pyspark>=4.0,<5" "aiohttp>=3.11"

# What is built when no target is named.
FROM airflow

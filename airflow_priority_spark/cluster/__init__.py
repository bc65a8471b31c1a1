# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API: shared watches in, snapshot parts out.

::

    connections   an Airflow connection → an API client of its own, and the cluster's identity
    transport     one HTTP request, refusals and silences as the package's errors
    kinds         what is read and written, and the permission each needs
    convert       one JSON object → the small view a decision needs
    health        in step, or out of step since when and why
    reflector     list + watch of one kind, kept in step
    coverage      cluster-wide where allowed, else namespace by namespace
    observer      all kinds of one cluster → ``ClusterView``
    autoscaling   fixed or elastic nodes
    applications  SparkApplications: view, read, delete

Everything is synchronous and threaded: the arbiter is a plain process, and a watch is a thread that
mostly sleeps in a socket.
"""

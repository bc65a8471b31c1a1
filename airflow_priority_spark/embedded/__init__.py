# SPDX-License-Identifier: Apache-2.0
"""A small Kubernetes on loopback, for the demo, the docs and the tests.

Why a cluster of our own: a stranger with a laptop, and a CI job without privileges, must be able to see jobs
wait for a quota and start when it has room, against the API the real clients talk to. It runs in a process of
its own (``process.EmbeddedCluster``), so that what is tested crosses the same HTTP border as in production.
The layers, each knowing only those above it::

    quantities, errors, kinds, selectors, patches      what the Kubernetes API speaks
    store                                              objects, versions, the event window
    pods, quota, preparation, verbs                    what the API server does with a request
    client                                             the verbs as the controllers see them
    scheduler, kubelet, collector, applications, ...   the controllers
    faults, fault_gate, pod_faults, node_faults        what goes wrong on demand, and where it strikes
    access, paths, discovery, watching, logs, server   the API over HTTP
    process, commands                                  starting and stopping it

The controllers reach the store through ``client.ClusterClient`` alone, so that they can be pointed at another
API server: ``remote`` does that.
"""

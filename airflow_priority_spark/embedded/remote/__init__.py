# SPDX-License-Identifier: Apache-2.0
"""The embedded cluster's controllers, pointed at another API server.

A bare control plane (API server, scheduler and controller manager, without nodes) becomes a cluster on which
Spark jobs run: ``nodes`` registers nodes and keeps them alive, the kubelet runs the pods bound to them,
``logs`` serves what their containers print, and the SparkApplication controller plays the operator. Quota,
scheduling and garbage collection stay the control plane's own, which is the point: what the controllers meet
is Kubernetes, not this package's idea of it.
"""

{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "ps.name" -}}
{{- if contains "priority-spark" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-priority-spark" (.Release.Name | trunc 35 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "ps.airflow" -}}{{ .Values.airflowRelease | default .Release.Name }}{{- end }}

{{- define "ps.labels" -}}
app.kubernetes.io/name: priority-spark
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* (list . component) */}}
{{- define "ps.selector" -}}
app.kubernetes.io/name: priority-spark
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "ps.ownAccount" -}}
{{ .Values.arbiter.serviceAccount.name | default (printf "%s-arbiter" (include "ps.name" .)) }}
{{- end }}

{{/* The account whose rights the arbiter has. */}}
{{- define "ps.arbiterAccount" -}}
{{- if .Values.rbac.arbiterAccount }}{{ .Values.rbac.arbiterAccount }}
{{- else if .Values.arbiter.enabled }}{{ include "ps.ownAccount" . }}
{{- else }}{{ include "ps.airflow" . }}-scheduler{{ end }}
{{- end }}

{{- define "ps.workerSubjects" -}}
{{- $accounts := .Values.rbac.workerAccounts }}
{{- if not $accounts }}
{{- $accounts = list (printf "%s-worker" (include "ps.airflow" .)) (printf "%s-triggerer" (include "ps.airflow" .)) }}
{{- end }}
{{- range $accounts }}
- kind: ServiceAccount
  name: {{ . }}
  namespace: {{ $.Release.Namespace }}
{{- end }}
{{- end }}

{{- define "ps.podSecurity" -}}
runAsNonRoot: true
runAsUser: 50000
runAsGroup: 0
fsGroup: 0
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ps.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What every process of Airflow needs to find its database and read its connections. */}}
{{- define "ps.environment" -}}
- name: AIRFLOW_HOME
  value: {{ .Values.airflowHome }}
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.metadataSecret.name | default (printf "%s-metadata" (include "ps.airflow" .)) }}
      key: {{ .Values.metadataSecret.key }}
- name: AIRFLOW__CORE__FERNET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.fernetKeySecret.name | default (printf "%s-fernet-key" (include "ps.airflow" .)) }}
      key: {{ .Values.fernetKeySecret.key }}
{{- end }}

{{- define "ps.mounts" -}}
- name: config
  mountPath: {{ .Values.airflowHome }}/airflow.cfg
  subPath: airflow.cfg
  readOnly: true
- name: logs
  mountPath: {{ .Values.airflowHome }}/logs
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "ps.volumes" -}}
- name: config
  configMap:
    name: {{ .Values.airflowConfigMap | default (printf "%s-config" (include "ps.airflow" .)) }}
- name: logs
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* (list . component): two of a kind on two nodes, where there are two. */}}
{{- define "ps.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "ps.selector" . | nindent 8 }}
{{- end }}

{{/* (list . settings): what a person may say of both kinds of pods. */}}
{{- define "ps.placement" -}}
{{- with (index . 0).Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 1).nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 1).tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 1).priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "xylem.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{/* Labels that select: of the release, without the component. */}}
{{- define "xylem.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xylem.labels" -}}
{{ include "xylem.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "xylem.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "xylem.secretName" -}}
{{ .Values.secrets.existingSecret | default (printf "%s-secrets" (include "xylem.fullname" .)) }}
{{- end }}

{{/* Xylem's configuration file: what the chart knows, and `config` over it. */}}
{{- define "xylem.config" -}}
{{- $full := include "xylem.fullname" . -}}
{{- $urls := dict -}}
{{- range $name, $_ := .Values.components -}}
{{- $_ := set $urls $name (printf "http://%s-%s:8009" $full $name) -}}
{{- end -}}
{{- $kafka := dict
  "bootstrap_servers" .Values.kafka.bootstrapServers
  "topic_prefix" .Values.kafka.topicPrefix
  "partitions" (int .Values.kafka.partitions)
  "replication_factor" (int .Values.kafka.replicationFactor)
  "min_insync_replicas" (int .Values.kafka.minInsyncReplicas) -}}
{{- $listeners := list
  (dict "address" "0.0.0.0" "port" 8008 "apis" (list "client") "trusted_proxies" .Values.trustedProxies)
  (dict "address" "0.0.0.0" "port" 8009 "apis" (list "internal"))
  (dict "address" "0.0.0.0" "port" 9090 "apis" (list "health" "metrics")) -}}
{{- $config := dict
  "server_name" .Values.serverName
  "data_dir" "/var/lib/xylem"
  "signing_key_path" "/run/secrets/xylem/signing.key"
  "listeners" $listeners
  "internal" (dict "urls" $urls)
  "log" (dict "kafka" $kafka)
  "database" (dict "migrate_at_start" (not .Values.prepare.enabled))
  "logging" (dict "format" "json") -}}
{{- if .Values.publicBaseUrl -}}
{{- $_ := set $config "userapi" (dict "public_base_url" .Values.publicBaseUrl) -}}
{{- end -}}
{{- mergeOverwrite $config (deepCopy .Values.config) | toYaml -}}
{{- end }}

{{/* The components that clients reach: a list in JSON. */}}
{{- define "xylem.served" -}}
{{ keys (.Files.Get "files/routes.yaml" | fromYaml).components | sortAlpha | toJson }}
{{- end }}

{{/* Secrets that come from the values. */}}
{{- define "xylem.givenSecrets" -}}
XYLEM_DATABASE__URL: {{ required "secrets.databaseUrl or secrets.existingSecret is required" .Values.secrets.databaseUrl | quote }}
{{- range $name, $value := .Values.secrets.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "xylem.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "xylem.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "xylem.mounts" -}}
- {name: config, mountPath: /etc/xylem, readOnly: true}
- {name: secrets, mountPath: /run/secrets/xylem, readOnly: true}
- {name: data, mountPath: /var/lib/xylem}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Pods of the same kind on different nodes, as far as possible. */}}
{{- define "xylem.spread" -}}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "xylem.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.name }}
{{- end }}
{{- end }}

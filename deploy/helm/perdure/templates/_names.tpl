{{- define "perdure.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Texts are quoted wherever they come from: a release may be called "1e3", a class "true". */}}
{{- define "perdure.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "perdure.labels" -}}
{{ include "perdure.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The volume of a Secret: its name may have dots, a volume's may not. */}}
{{- define "perdure.volume" -}}
{{ printf "file-%s" (replace "." "-" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Names that the admin API may be called by. */}}
{{- define "perdure.adminHosts" -}}
{{- $name := printf "%s-admin" (include "perdure.fullname" .) }}
{{- $in := printf "%s.%s" $name .Release.Namespace }}
{{- $all := list $name $in (printf "%s.svc" $in) (printf "%s.svc.cluster.local" $in) }}
{{- join "," (concat $all .Values.adminHosts) }}
{{- end }}

{{/* Settings as variables: PERDURE_NAME: "value"; an empty text is a setting not made. */}}
{{- define "perdure.variables" -}}
{{- range $name, $value := . }}
{{- if ne (toString $value) "" }}
PERDURE_{{ upper $name }}: {{ if kindIs "float64" $value }}{{ int64 $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

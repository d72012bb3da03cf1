{{/* The reverse proxy's configuration, beside routes.conf and forward.conf. */}}
{{- define "xylem.nginx" -}}
pid /tmp/nginx.pid;
worker_processes 2;
worker_rlimit_nofile 65536;
error_log /dev/stderr warn;

events {
    worker_connections 16384;
}

http {
    access_log off;
    server_tokens off;
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    include /etc/xylem/routes.conf;

    # Who is in front of the proxy says for whom; only pods of the cluster are believed.
    {{- range .Values.trustedProxies }}
    set_real_ip_from {{ . }};
    {{- end }}
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
    {{ $served := include "xylem.served" . | fromJsonArray }}
    {{- range $name, $_ := .Values.components }}
    {{- if has $name $served }}
    upstream {{ $name }} {
        server {{ include "xylem.fullname" $ }}-{{ $name }}:8008;
        keepalive 64;
        # New replicas get their share.
        keepalive_time 30s;
    }
    {{- end }}
    {{- end }}

    server {
        listen 8080;

        location = /ready {
            return 204;
        }

        location / {
            if ($xylem_component = "") {
                return 404;
            }
            include /etc/xylem/forward.conf;
            # No path after the name: requests are forwarded as they came, with their %2F.
            proxy_pass http://$xylem_component;
        }
    }
}
{{- end }}

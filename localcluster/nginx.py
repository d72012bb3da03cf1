"""nginx as the proxy of a cluster on one machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.generating.proxy_files import FOLDER, nginx_map
from localcluster.programs import Program, ProgramMissing, find_program

_CONFIG: Final = """\
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {folder}/routes.conf;
{upstreams}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            if ($xylem_component = "") {{ return 404; }}
            include {forward};
            proxy_pass http://$xylem_component;
        }}
    }}
}}
"""
_UPSTREAM: Final = "    upstream {name} {{ {servers} keepalive 64; }}\n"


def has_nginx() -> bool:
    """Tell whether nginx is installed."""
    try:
        find_program("nginx")
    except ProgramMissing:
        return False
    return True


def nginx_program(folder: Path, port: int, ports: Mapping[str, Sequence[int]]) -> Program:
    """Return nginx, ready to start; raises `ProgramMissing`."""
    nginx = find_program("nginx")
    upstreams = "".join(
        _UPSTREAM.format(
            name=name,
            servers=" ".join(f"server 127.0.0.1:{one} fail_timeout=1s;" for one in ones),
        )
        for name, ones in ports.items()
        if ones
    )
    config = folder / "nginx.conf"
    (folder / "routes.conf").write_text(nginx_map())
    config.write_text(
        _CONFIG.format(
            folder=folder,
            port=port,
            upstreams=upstreams,
            forward=FOLDER / "proxy/nginx/forward.conf",
        )
    )
    return Program("proxy", [nginx, "-c", str(config), "-p", str(folder)], folder)

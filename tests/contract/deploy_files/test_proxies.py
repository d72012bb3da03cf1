"""The routes as real proxies understand them: each request reaches its component, unchanged."""

import http.client
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.generating.route_table import FALLBACK, TABLE, component_for
from tests.contract.deploy_files.declared import DEPLOY
from tests.contract.deploy_files.nginx import nginx_accepts, nginx_program
from tests.fixtures.servers import (
    find_program,
    free_port,
    is_listening,
    start_server,
    stop_server,
    wait_until,
)

NGINX = DEPLOY / "proxy/nginx"
# An identifier with what identifiers may have, percent-encoded as clients do.
ID = "!a%2Fb%3Fc%25:d.e-f~"
ROOM = f"/_matrix/client/v3/rooms/{ID}"

_MAIN = """\
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/xylem.conf;
}}
"""


def samples() -> list[tuple[str, str]]:
    """Return for each alternative of each line of the table some requests that it matches."""
    found = []
    for line in TABLE:
        for part in line.path.alternatives():
            path = part.pattern.replace("*", ID, part.pattern.removesuffix("/**").count("*"))
            paths = [path.removesuffix("/**")]
            if part.pattern.endswith("/**"):
                paths += [f"{paths[0]}/", f"{paths[0]}/{ID}", f"{paths[0]}/m.type/{ID}/x?a=/b"]
            methods = part.methods or ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
            found += [(method, one) for one in paths for method in methods]
    return found


def asked(port: int, method: str, path: str) -> tuple[int, str]:
    """Send a request with exactly this path and return the answer's status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=b"{}" if method in {"PUT", "POST"} else None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def nginx_folder(folder: Path, ports: dict[str, int], port: int) -> Path:
    """Write the committed site with other ports and paths, without TLS; return its main file."""
    for path in NGINX.iterdir():
        shutil.copy(path, folder)
    site = (NGINX / "xylem.conf").read_text(encoding="utf-8")
    site = site.replace("/etc/nginx/xylem", str(folder))
    site = re.sub(r"^ *(listen \[|ssl_).*\n", "", site, flags=re.MULTILINE)
    site = re.sub(r"listen 443.*;", f"listen 127.0.0.1:{port};", site)
    (folder / "xylem.conf").write_text(site)
    upstreams = "".join(
        f"upstream {name} {{ server 127.0.0.1:{number}; keepalive 4; }}\n"
        for name, number in ports.items()
    )
    (folder / "upstreams.conf").write_text(upstreams)
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder))
    return main


@pytest.fixture(
    name="proxy", scope="module", params=["nginx", "caddy"][: 2 if shutil.which("caddy") else 1]
)
def fixture_proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    component_ports: dict[str, int],
) -> Iterator[int]:
    """Give the port of a proxy with the committed routes; Caddy's where it is installed."""
    folder = tmp_path_factory.mktemp("proxy")
    port = free_port()
    log = folder / "output"
    if request.param == "nginx":
        main = nginx_folder(folder, component_ports, port)
        command = [nginx_program(), "-e", str(folder / "error.log"), "-c", str(main)]
        command += ["-g", "daemon off; master_process off;"]
    else:
        main = caddy_folder(folder, component_ports, port)
        command = [find_program("caddy"), "run", "--config", str(main)]
    server = start_server(command, log, cwd=folder)
    try:
        wait_until(lambda: is_listening(port), server, log)
        yield port
    finally:
        stop_server(server)


def caddy_folder(folder: Path, ports: dict[str, int], port: int) -> Path:
    """Write the committed site with other addresses, without TLS; return its file."""
    routes = (DEPLOY / "proxy/caddy/routes.caddy").read_text(encoding="utf-8")
    for name, number in ports.items():
        routes = re.sub(rf"\{{\$XYLEM_{name.upper()}:[^}}]+\}}", f"127.0.0.1:{number}", routes)
    (folder / "routes.caddy").write_text(routes)
    site = (DEPLOY / "proxy/caddy/Caddyfile").read_text(encoding="utf-8")
    site = re.sub(r"\{\$XYLEM_SITE:[^}]+\}", f"http://127.0.0.1:{port}", site)
    main = folder / "Caddyfile"
    main.write_text("{\n\tadmin off\n\tpersist_config off\n}\n" + site)
    return main


def test_every_request_of_the_table_reaches_its_component_as_it_was_sent(proxy: int) -> None:
    wrong = []
    for method, path in samples():
        component = component_for(method, path.partition("?")[0])
        expected = "" if method == "HEAD" else f"{component} {method} {path}"
        if (answer := asked(proxy, method, path)) != (200, expected):
            wrong.append((method, path, answer))

    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path", "component"),
    [
        ("GET", f"{ROOM}/state/m.room.name/", "syncapi"),
        ("PUT", f"{ROOM}/state/m.room.name/", "clientapi"),
        ("GET", f"/_matrix/client/r0/profile/{ID}/displayname", "userapi"),
        ("PUT", f"/_matrix/client/r0/profile/{ID}/displayname", "clientapi"),
        ("GET", f"{ROOM}/messages?dir=b&from=x/y", "syncapi"),
        ("PUT", f"{ROOM}/send/m.room.message/a%2F..%2Fb", "clientapi"),
        ("GET", "/_matrix/unknown", FALLBACK),
        ("GET", "/_matrix/client/v3/sync/more", FALLBACK),
        ("GET", "/_matrix/client/v3/rooms//messages", FALLBACK),
    ],
)
def test_a_request_reaches_its_component(
    proxy: int, method: str, path: str, component: str
) -> None:
    assert asked(proxy, method, path) == (200, f"{component} {method} {path}")


@pytest.mark.parametrize(
    "path", ["/other", "/metrics", "/health/ready", "/_synapse/other", "//_matrix/client/v3/sync"]
)
def test_what_is_not_public_is_not_found(proxy: int, path: str) -> None:
    assert asked(proxy, "GET", path)[0] == 404


def test_nginx_accepts_the_site_for_a_machine(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a", "-days", "1"]
    subprocess.run(
        [find_program("openssl"), *make, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    ssl.create_default_context().load_cert_chain(certificate, key)
    for path in NGINX.iterdir():
        text = path.read_text(encoding="utf-8")
        text = text.replace("/etc/nginx/xylem", str(tmp_path))
        (tmp_path / path.name).write_text(text.replace("/etc/ssl/xylem", str(tmp_path)))
    main = tmp_path / "nginx.conf"
    main.write_text(_MAIN.format(folder=tmp_path))

    nginx_accepts(main)


def test_nginx_accepts_the_configuration_of_the_compose_file(tmp_path: Path) -> None:
    for name in ("routes.conf", "forward.conf"):
        shutil.copy(NGINX / name, tmp_path)
    text = (DEPLOY / "compose/nginx.conf").read_text(encoding="utf-8")
    text = text.replace("/tmp/", f"{tmp_path}/").replace("/etc/nginx/xylem", str(tmp_path))
    main = tmp_path / "nginx.conf"
    main.write_text(text)

    nginx_accepts(main)

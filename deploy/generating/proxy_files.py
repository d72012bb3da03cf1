"""Writes the route table down for proxies, in each one's words.

`python -m deploy.generating.proxy_files` renews the files; a test fails when one differs from the
table.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from deploy.catalogue import CATALOGUE
from deploy.generating.route_table import FALLBACK, TABLE, served_components
from describing.public_paths import PublicPath

FOLDER: Final = Path(__file__).parents[1]

_MADE: Final = "Made from what components describe by `python -m deploy.generating.proxy_files`."


def client_port(component: str) -> int:
    """Return where a component listens for clients on a machine of its own kind."""
    return 8100 + CATALOGUE.named(component).number


def nginx_map() -> str:
    """Return the map from a request to the name of a component, or to nothing.

    It looks at the request as it was sent: the locations of nginx would see `%2F` decoded.
    """
    lines = [
        f"# {_MADE}",
        "# Which component answers a request; empty where none does.",
        'map "$request_method $request_uri" $xylem_component {',
        '    default "";',
    ]
    lines += [f"    {_nginx_key(path)} {component};" for component, path in TABLE]
    lines += [
        "    # Unknown paths: this component refuses them as the Matrix specification says.",
        f'    "~^[A-Z]+ /_matrix/" {FALLBACK};',
        "}",
    ]
    return "\n".join(lines) + "\n"


def _nginx_key(path: PublicPath) -> str:
    methods = f"({'|'.join(path.methods)})" if path.methods else "[A-Z]+"
    return f'"~^{methods} {path.expression}(\\?|$)"'


def nginx_upstreams() -> str:
    """Return the components as upstreams on this machine."""
    blocks = [
        f"upstream {component} {{\n"
        f"    server 127.0.0.1:{client_port(component)};\n"
        f"    keepalive 64;\n"
        f"}}"
        for component in served_components()
    ]
    return f"# {_MADE}\n" + "\n".join(blocks) + "\n"


def caddy_routes() -> str:
    """Return a snippet for a site of Caddy; the addresses come from the environment."""
    lines = [f"# {_MADE}", "# In a site: import xylem_routes", "(xylem_routes) {", "\troute {"]
    for number, (component, path) in enumerate(TABLE):
        lines += [f"\t\t@{number} {{", f"\t\t\tvars_regexp {{uri}} ^{path.expression}(\\?|$)"]
        if path.methods:
            lines.append(f"\t\t\tmethod {' '.join(path.methods)}")
        lines += ["\t\t}", f"\t\treverse_proxy @{number} {_caddy_address(component)}"]
    lines += [
        "\t\t# Unknown paths: this component refuses them as the Matrix specification says.",
        "\t\t@unknown vars_regexp {uri} ^/_matrix/",
        f"\t\treverse_proxy @unknown {_caddy_address(FALLBACK)}",
        "\t\trespond 404",
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _caddy_address(component: str) -> str:
    return f"{{$XYLEM_{component.upper()}:127.0.0.1:{client_port(component)}}}"


def chart_routes() -> str:
    """Return what the chart's HTTPRoutes are made of: per component, paths and methods.

    The Gateway API matches one method at a time.
    """
    routes: dict[str, list[dict[str, object]]] = {name: [] for name in served_components()}
    for component, path in TABLE:
        routes[component].append({"path": f"^{path.expression}$", "methods": list(path.methods)})
    lines = [f"# {_MADE}", "# Empty methods: all of them.", "components:"]
    for component, matches in routes.items():
        lines.append(f"  {component}:")
        lines += [f"    - {json.dumps(match)}" for match in matches]
    return "\n".join(lines) + "\n"


def unit_environment(component: str) -> str:
    """Return the environment of one component's systemd unit: where it and the others listen."""
    number = CATALOGUE.named(component).number
    listeners = (
        (client_port(component), "[client]"),
        (8200 + number, "[internal]"),
        (8300 + number, "[health,metrics]"),
    )
    lines = [f"# {_MADE}"]
    for index, (port, apis) in enumerate(listeners):
        variable = f"XYLEM_LISTENERS__{index}__"
        lines += [f"{variable}PORT={port}", f"{variable}APIS={apis}"]
    lines.append("XYLEM_LISTENERS__0__TRUSTED_PROXIES=[127.0.0.1]")
    lines += [
        f"XYLEM_INTERNAL__URLS__{other.name.upper()}=http://127.0.0.1:{8200 + other.number}"
        for other in CATALOGUE
    ]
    return "\n".join(lines) + "\n"


def compose_environment() -> str:
    """Return where components call each other as containers of the compose file."""
    lines = [
        f"XYLEM_INTERNAL__URLS__{component.name.upper()}=http://{component.name}:8009"
        for component in CATALOGUE
    ]
    return f"# {_MADE}\n" + "\n".join(lines) + "\n"


def _forwarding() -> str:
    """Return how nginx forwards requests, for the chart, which reads only its own folder."""
    return (FOLDER / "proxy/nginx/forward.conf").read_text(encoding="utf-8")


def files() -> Mapping[Path, Callable[[], str]]:
    """Return the files that are made from the table, below this folder."""
    made: dict[Path, Callable[[], str]] = {
        FOLDER / "compose/internal.env": compose_environment,
        FOLDER / "proxy/nginx/routes.conf": nginx_map,
        FOLDER / "proxy/nginx/upstreams.conf": nginx_upstreams,
        FOLDER / "proxy/caddy/routes.caddy": caddy_routes,
        FOLDER / "helm/xylem/files/routes.conf": nginx_map,
        FOLDER / "helm/xylem/files/routes.yaml": chart_routes,
        FOLDER / "helm/xylem/files/forward.conf": _forwarding,
    }
    for component in CATALOGUE.names:
        path = FOLDER / "systemd/components" / f"{component}.env"
        made[path] = partial(unit_environment, component)
    return made


def main() -> None:
    """Write all files."""
    for path, make in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()

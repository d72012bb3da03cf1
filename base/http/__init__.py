"""HTTP for every component: routers of thin handlers, one application, one server."""

from base.http.application import Application, ApplicationSettings, Observer, application
from base.http.fields import Fields
from base.http.ordinary import OrdinaryRoutes
from base.http.request import ClientDisconnected, Request
from base.http.request_id import current_request_id, request_id
from base.http.response import Response, StreamingResponse, empty_response, json_response
from base.http.router import Guard, Handler, Route, RouteConflict, Router
from base.http.server import Listener, ServedListeners, load_certificate, serve
from base.http.unsent import UnsentAnswers

__all__ = [
    "Application",
    "ApplicationSettings",
    "ClientDisconnected",
    "Fields",
    "Guard",
    "Handler",
    "Listener",
    "Observer",
    "OrdinaryRoutes",
    "Request",
    "Response",
    "Route",
    "RouteConflict",
    "Router",
    "ServedListeners",
    "StreamingResponse",
    "UnsentAnswers",
    "application",
    "current_request_id",
    "empty_response",
    "json_response",
    "load_certificate",
    "request_id",
    "serve",
]

"""Requests to addresses that somebody else named: other servers, push gateways, linked pages."""

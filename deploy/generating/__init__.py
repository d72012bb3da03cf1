"""Pages for people and files for proxies, made from the code."""

"""The tables of the user API, and one store per aggregate. No log can rebuild them."""

"""Small pictures of pictures (client-server API, "Thumbnails")."""

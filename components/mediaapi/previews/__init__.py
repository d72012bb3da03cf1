"""What pages say of themselves, for clients that show links (client-server API, "preview_url")."""

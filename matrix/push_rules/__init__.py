"""Push rules: which events notify a user, and how (client-server API, "Push Notifications")."""

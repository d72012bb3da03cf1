"""How components become processes: settings, command line and wiring."""

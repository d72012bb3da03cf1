"""How a component describes itself: to the process that runs it, and to all that is deployed."""

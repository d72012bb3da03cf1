"""Single events of a room: state, redactions, and what relates to others."""

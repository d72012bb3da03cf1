"""The typed records that the topics carry: facts and inputs, one module per producer."""

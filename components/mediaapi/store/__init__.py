"""The index of media: its tables, and the queries on them."""

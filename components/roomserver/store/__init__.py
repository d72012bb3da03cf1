"""The tables of the room server and the queries over them."""

"""What components ask of each other: Protocols, structs, errors, and the transport derived from them."""

"""What components ask of each other: Protocols, structs, errors, and their transport."""

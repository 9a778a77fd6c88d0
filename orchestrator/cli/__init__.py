"""The command `perdure`: the server, and what people and scripts ask of it."""

"""Settings of the server: flags and environment in, checked options out."""

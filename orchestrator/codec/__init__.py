"""Records, rows and keys as bytes, versioned."""

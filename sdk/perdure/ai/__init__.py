"""Agents of other libraries made durable: one module for each, its library an extra."""

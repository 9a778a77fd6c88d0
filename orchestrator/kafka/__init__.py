"""Kafka clients: how they are made, configured and served, and what their errors mean."""

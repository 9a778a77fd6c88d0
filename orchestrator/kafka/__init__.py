"""Kafka clients: how each is made, told, served on the event loop, and what its errors mean."""

"""The embedded log: segments of this process alone, no Kafka needed."""

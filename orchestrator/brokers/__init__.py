"""Users' broker clusters as the actuators see them: ports, and their adapters to Kafka."""

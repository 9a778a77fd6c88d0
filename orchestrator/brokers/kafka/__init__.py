"""A broker cluster of Apache Kafka, behind the ports of this room."""

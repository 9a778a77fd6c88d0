"""The log: ordered, durable partitions of messages, behind one port."""

"""The log on Kafka: topics of a cluster that somebody else runs, keeps and backs up."""

"""What is registered: deployments, services, handlers, and the log that keeps them."""

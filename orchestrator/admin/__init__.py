"""The admin API over HTTP: deployments, services, invocations, state and queries."""

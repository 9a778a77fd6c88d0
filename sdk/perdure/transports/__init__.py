"""Ways to serve an app: ASGI, an HTTP/2 server of its own, AWS Lambda."""

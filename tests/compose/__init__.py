"""The images and compositions on a real engine: `make compose-test`, for machines with Docker."""

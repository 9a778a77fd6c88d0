"""Reads users' topics: records come in through the door, and are proposed as an Intake."""

"""What each command returns, as typed and frozen models. They are published: `run.py schema` prints their JSON schemas.

A result copies what it publishes from the models of the domain. So the domain can change without changing what users read.
"""

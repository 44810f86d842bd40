"""The BentoML service, and the code that builds and starts it. `service.py` imports little of the domain."""

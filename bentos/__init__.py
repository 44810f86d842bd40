"""The BentoML service, its building and its starting. `service.py` imports only the light part of the domain."""

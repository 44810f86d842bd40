"""How the terminal shows each result."""

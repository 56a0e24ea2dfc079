"""How a result is shown: a module for each format."""

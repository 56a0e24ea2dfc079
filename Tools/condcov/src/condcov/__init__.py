"""Coverage inside a line: conditions and MC/DC, beside lines and branches."""

__version__ = '0.1'

"""A trading agent for Smart Money Concepts."""

__version__ = "0.1.0"

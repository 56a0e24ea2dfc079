"""Helpers for the tests; this folder contains no tests."""

"""Helpers of the tests in this folder; there is no test in them."""

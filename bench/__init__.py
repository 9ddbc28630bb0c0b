"""Measurements, kept out of the tests: machines differ. Each module is run by itself and prints its figures."""

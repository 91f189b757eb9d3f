"""Spiking networks beside their ANN twins: a grid of trainings under one budget, and what its figures show."""

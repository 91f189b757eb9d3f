"""Neuron kernels for the CPU, compiled by numba; `kernels` calls the `passes`."""

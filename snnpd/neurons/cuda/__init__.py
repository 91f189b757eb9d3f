"""Neuron kernels for CUDA, compiled by CuPy; `kernels` launches what the `.cu` files hold."""

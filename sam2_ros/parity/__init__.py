"""Parity with the reference: the same weights, frames and prompts through both implementations, all outputs compared.

`scenarios` defines the inputs, `ours` and `reference` run them, `compare` compares the outputs. `golden` records
samples of the reference's outputs, which the test suite compares with ours.
"""

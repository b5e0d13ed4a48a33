"""Is our network the reference's? The same weights, frames and prompts through both, and every number compared.

`scenarios` says what is asked, `ours` and `reference` answer, `compare` judges the answers. `golden` keeps a few of the
reference's numbers, so that the test suite can ask the same without it.
"""

"""What the product talks about: sites and streams, factors and flags, readings and findings, clocks.

Standards live beside the code as dated data files (`domain/data/*.toml`), validated on load.
Imports nothing of ours.
"""

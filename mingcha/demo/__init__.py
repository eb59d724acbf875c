"""The demo: a city of simulated plants on the local stack, from its history to an officer's screen."""

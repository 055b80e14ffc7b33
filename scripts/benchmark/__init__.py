"""Measures what a run of the rotator costs.

scenario     what is measured, one run after the other
account      an account in the emulator: tagged users, their keys, who of them is due
rotator      one run of the rotator, in a process of its own
invocation   that process: counts each call, and lets it take as long as over a network
footprint    the archive: its size, and how long its handlers take to import
tables       the figures for people
"""

"""The real Pulumi command line, with the embedded cloud where AWS would be.

    command_line     find the command line, or build it
    language_host    stands in for Pulumi's language host for Python, where that is not at hand
    workspace        a copy of the project, a state of its own, and the commands that are run in it

What each resource does to the emulator is in ``scripts.local_cloud``, and so is the provider that the engine talks to.
``make engine`` plays the scenarios in ``tests/engine`` with this.
"""

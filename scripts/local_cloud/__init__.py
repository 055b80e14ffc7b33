"""An AWS account on this machine: MiniStack, and the Pulumi program deployed into it.

server, emulator     MiniStack in a process of its own
deployment, adapter  run the program, with the adapter where Pulumi's engine would be
resources, archive   create what the program declares
specialise           the few policy features that MiniStack lacks
cloud                what demos and tests use: users, keys, mails, the passage of time
"""

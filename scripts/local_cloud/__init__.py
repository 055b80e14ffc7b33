"""An AWS account on this machine: MiniStack, and the Pulumi program deployed into it.

    cloud                what demos and tests use: the service deployed, and people with keys
    ledger, waiting      the passage of time
    clock                a past to play in; its part in the functions is function_clock
    mailbox, reader      the mails that were sent, and what their readers do with them
    server, emulator     MiniStack in a process of its own
    deployment, adapter  run the program, with the adapter where Pulumi's engine would be
    resources, archive   create what the program declares
    lifecycle            what changes it in place, what replaces it, and how it goes
    provider, plugin     run the program on Pulumi's real engine, with the emulator for AWS (see ``scripts.engine``)
    orders               faults on order, and what the provider was asked for
    lookups              what both doors, adapter and provider, have in common
    iam_context          what IAM knows of a request, and MiniStack does not
    specialise           the one policy feature that MiniStack lacks
    last_use             when a key was last used, which MiniStack does not keep

Start reading at ``cloud``.
"""

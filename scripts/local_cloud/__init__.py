"""An AWS account on this machine: MiniStack, and the Pulumi program deployed into it."""

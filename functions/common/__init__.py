"""What both functions share: their environment, the policy tags, the ledger, and the adapters to AWS."""

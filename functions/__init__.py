"""The code that runs in Lambda. Knows nothing of Pulumi or of the components that deploy it."""

"""Pulumi components: what is deployed. Describes resources, never calls AWS, and never imports the functions' code."""

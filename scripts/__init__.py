"""What people run: the decryption helper, the tagging tool, the demo and its embedded cloud."""

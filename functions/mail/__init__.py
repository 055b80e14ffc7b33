"""What the mails say, and the three ways to send them."""

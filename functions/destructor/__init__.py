"""The destructor: ends an old key when its grace period is over."""

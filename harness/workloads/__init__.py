"""What one step does, and whether a mode does the same as eager."""

"""What a rank computes on, and every call to it that torch has no generic name for."""
